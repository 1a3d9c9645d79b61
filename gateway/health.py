"""Whether this process lives, whether it can take work, and what Prometheus wants to know."""

import msgspec
from aiohttp import web

from gateway import scrape
from gateway.edge.answers import answer_json
from gateway.edge.state import STATE
from gateway.edge.timestamp import iso
from shared import metrics
from shared.build import running
from shared.errors import Draining
from shared.events import now_ms
from shared.speech import Able


class Health(msgspec.Struct, frozen=True):
    """A sign of life."""

    status: str
    timestamp: str


class Ready(Health, frozen=True):
    """It takes messages; those of a primary that is *away* wait for it, or for its replica."""

    away: list[str]


class Heartbeat(Health, frozen=True):
    """A sign of life, how often a silent stream gives one, and how long a message may be."""

    heartbeat_ms: int
    max_message_chars: int
    #: What can be spoken here, if anything can.
    speech: Able | None


async def live(request: web.Request) -> web.StreamResponse:
    """This process runs."""
    return answer_json(Health("ok", iso(now_ms())))


async def version(request: web.Request) -> web.StreamResponse:
    """Which build of Headrace answers. During a deploy there may be two of them."""
    return answer_json(running())


async def beat(request: web.Request) -> web.StreamResponse:
    """This process runs. A stream that has been silent for several of its heartbeats is broken."""
    state = request.app[STATE]
    heartbeat_ms, able = round(state.settings.heartbeat_s * 1000), await state.speakers.able()
    said = Heartbeat("ok", iso(now_ms()), heartbeat_ms, state.settings.max_message_chars, able)
    return answer_json(said)


async def ready(request: web.Request) -> web.StreamResponse:
    """This process can take work: its broker would take a message, and it is not shutting down."""
    state = request.app[STATE]
    if state.draining:
        raise Draining(retry_after_s=1)
    await state.readiness.check()
    return answer_json(Ready("ok", iso(now_ms()), state.relay.away()))


async def expose(request: web.Request) -> web.StreamResponse:
    """All metrics in Prometheus' text format."""
    await scrape.look(request.app[STATE])
    body, content_type = metrics.expose()
    return web.Response(body=body, headers={"Content-Type": content_type})
