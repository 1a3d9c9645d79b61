"""What every handler works with, under typed keys of the application and the request."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from gateway.edge.answers import ErrorShapes
from gateway.edge.auth import Askers
from gateway.edge.issuer import Issuer
from gateway.edge.known_keys import KnownKeys
from gateway.edge.origins import Hosts, Origins
from gateway.edge.revocation import Revocations
from gateway.edge.room import Room
from gateway.edge.sessions import Sessions
from gateway.edge.settler import Settler
from gateway.edge.speakers import Speakers
from gateway.edge.stream_tokens import StreamTokens
from gateway.edge.tokens import Tokens
from gateway.relay.relay import Relay
from shared.api_keys import ApiKeys
from shared.asker import Asker, Scope
from shared.audio import AudioLog
from shared.audit import Audit
from shared.blobs import Blobs
from shared.broker import Broker
from shared.conversations import Conversations
from shared.event_log import EventLog
from shared.generations import Generations
from shared.ledger import Ledger, Verdict
from shared.models import Models
from shared.readiness import Readiness
from shared.sealing import Sealing
from shared.settings import Settings
from shared.shares import Shares
from shared.tenants import Tenants


class Needs(NamedTuple):
    """What a call needs of its asker."""

    #: One of these scopes.
    scopes: frozenset[Scope]
    #: Whether it counts against a limit of requests by itself; what begins a reply is counted when it is
    #: accepted.
    counts: bool


class State(msgspec.Struct):
    """One gateway process."""

    settings: Settings
    models: Models
    broker: Broker
    generations: Generations
    conversations: Conversations
    blobs: Blobs
    shares: Shares
    log: EventLog
    audio: AudioLog
    speakers: Speakers
    relay: Relay
    readiness: Readiness
    askers: Askers
    revocations: Revocations
    api_keys: ApiKeys
    known_keys: KnownKeys
    tenants: Tenants
    ledger: Ledger
    sealing: Sealing
    settler: Settler
    sessions: Sessions
    stream_tokens: StreamTokens
    issuer: Issuer
    tokens: Tokens
    audit: Audit
    room: Room
    hosts: Hosts
    origins: Origins
    #: The API's own description, and the paths that are answered without a key.
    openapi: dict[str, Any]
    public: frozenset[str]
    #: The paths that only the port for them serves, where there is one or has to be.
    private: frozenset[str]
    #: Where streams are taken up again.
    followed: frozenset[str]
    #: What a call needs of its asker, by method and path.
    needs: Mapping[tuple[str, str], Needs]
    error_shapes: ErrorShapes
    draining: bool = False
    #: The port for what is private, once it listens.
    admin_port: int | None = None
    #: The names that the wildcard's upstreams list, as they are asked for, and when that was read.
    listed: tuple[float, list[str]] | None = None
    #: The task on which every stream depends, once the application has started.
    relaying: "asyncio.Task[None] | None" = None


STATE = web.AppKey("state", State)
#: The asker, set by the middleware for every route that is not public.
ASKER = web.RequestKey("asker", Asker)
#: What became of it when it was counted, where it was.
VERDICT = web.RequestKey("verdict", Verdict)
#: Of an answer: it is a file of our own page, which says itself what it is for.
OF_PAGE = web.ResponseKey("of_page", bool)
#: Names the request in our log and in its answer.
REQUEST_ID = web.RequestKey("request_id", str)


def new_request_id() -> str:
    """Unlike every other."""
    return f"req_{uuid.uuid4().hex}"


#: The request as a `traceparent`: our own span where there is one, else what the client has sent.
TRACE = web.RequestKey("trace", str)
#: Loop time at which the request was taken.
ACCEPTED_AT = web.RequestKey("accepted_at", float)
