"""The application: its state, its routes and its middlewares."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from gateway.edge import leavers
from gateway.edge.addresses import forgive
from gateway.edge.answers import ErrorShapes
from gateway.edge.auth import Askers
from gateway.edge.client_address import ClientAddresses
from gateway.edge.issuer import Issuer
from gateway.edge.known_keys import KnownKeys
from gateway.edge.middleware import MIDDLEWARES, complete_headers
from gateway.edge.origins import Hosts, Origins
from gateway.edge.revocation import Revocations
from gateway.edge.room import Room
from gateway.edge.sessions import Sessions
from gateway.edge.settler import Settler
from gateway.edge.speakers import Speakers
from gateway.edge.state import STATE, State
from gateway.edge.stream_tokens import StreamTokens
from gateway.edge.tokens import Tokens
from gateway.openapi import document
from gateway.pages import Pages
from gateway.relay.relay import Relay
from gateway.routes import ROUTES, RUNNING
from shared import metrics
from shared.api_keys import ApiKeys
from shared.audio import AudioLog
from shared.audit import Audit
from shared.blobs import Blobs
from shared.broker import Broker
from shared.build import running
from shared.conversations import Conversations
from shared.event_log import EventLog
from shared.generations import Generations
from shared.ledger import Ledger
from shared.models import Models
from shared.readiness import Readiness
from shared.sealing import Sealing
from shared.settings import Settings
from shared.shares import Shares
from shared.speech import QUEUE as SPEECH
from shared.tenants import Tenants


def make_app(settings: Settings, models: Models, pages: Pages | None = None) -> web.Application:
    """An application that connects to its broker when it starts, and lets go of it when it ends."""
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=settings.max_body_bytes)
    shown = app.router.add_routes((pages or Pages()).routes)
    metrics.know([*models.by_name, SPEECH])
    broker = Broker(settings)
    generations = Generations(
        broker, max_queued=settings.max_queued, idempotency_ttl_s=settings.idempotency_ttl_s
    )
    relay = Relay(broker, generations, settings)
    audit, tenants, ledger = Audit(settings.audit_log), Tenants(broker), Ledger(broker)
    sealing, issuer = Sealing(broker), Issuer(settings)
    api_keys = ApiKeys(broker, sealing, tenants)
    known_keys = KnownKeys(api_keys, tenants, audit, settings.key_cache_s)
    sessions = Sessions(broker, sealing, known_keys)
    stream_tokens, tokens = StreamTokens(sealing), Tokens(settings, issuer)
    addresses = ClientAddresses(settings)
    askers = Askers(settings, known_keys, sessions, stream_tokens, tokens, addresses)
    app[STATE] = State(
        settings=settings,
        models=models,
        broker=broker,
        generations=generations,
        conversations=Conversations(broker),
        blobs=Blobs(broker),
        shares=Shares(broker),
        log=EventLog(broker),
        audio=AudioLog(broker),
        speakers=Speakers(broker),
        relay=relay,
        readiness=Readiness(broker, relay.hears),
        askers=askers,
        revocations=Revocations(askers, audit),
        sessions=sessions,
        stream_tokens=stream_tokens,
        issuer=issuer,
        tokens=tokens,
        api_keys=api_keys,
        known_keys=known_keys,
        tenants=tenants,
        ledger=ledger,
        sealing=sealing,
        settler=Settler(ledger.settle),
        audit=audit,
        room=Room(settings, addresses),
        hosts=Hosts(settings),
        origins=Origins(settings),
        openapi=document(ROUTES, running().version),
        public=frozenset(
            [route.path for route in ROUTES if route.public]
            + [route.resource.canonical for route in shown if route.resource is not None]
        ),
        private=frozenset(route.path for route in ROUTES if route.private),
        followed=frozenset(route.path for route in ROUTES if route.follows),
        needs={(route.method, route.path): route.needs for route in ROUTES if not route.public},
        error_shapes=ErrorShapes((route.path, route.error_shape) for route in ROUTES),
    )
    for route in ROUTES:
        app.router.add_route(route.method, route.path, route.handler)
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, route.handler)
    for resource in app.router.resources():
        # See `metrics.know`.
        metrics.requests.labels(resource.canonical, "500")
    forgive(app.router)
    app.on_response_prepare.append(complete_headers)
    app[leavers.LEAVERS] = set()
    app.on_shutdown.append(leavers.tell)
    app.cleanup_ctx.append(_relaying)
    app.cleanup_ctx.extend(RUNNING)
    return app


async def _run(state: State) -> None:
    """What every stream depends on, for ever."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(state.relay.run())
        tasks.create_task(state.revocations.run())


async def _relaying(app: web.Application) -> AsyncIterator[None]:
    state = app[STATE]
    state.relaying = asyncio.create_task(_run(state))
    yield
    state.relaying.cancel()
    await asyncio.wait([state.relaying])
    await state.readiness.close()
    await state.generations.finished()
    await state.settler.finished()
    await state.known_keys.close()
    await state.sessions.close()
    await state.issuer.close()
    await state.broker.close()
