"""What every handler works with, under typed keys of the application and the request."""

import asyncio
import uuid
from typing import Any

import msgspec
from aiohttp import web

from gateway.edge.answers import ErrorShapes
from gateway.edge.auth import Keyring
from gateway.edge.origins import Hosts, Origins
from gateway.relay.relay import Relay
from shared.asker import Asker
from shared.broker import Broker
from shared.conversations import Conversations
from shared.event_log import EventLog
from shared.generations import Generations
from shared.models import Models
from shared.readiness import Readiness
from shared.settings import Settings


class State(msgspec.Struct):
    """One gateway process."""

    settings: Settings
    models: Models
    broker: Broker
    generations: Generations
    conversations: Conversations
    log: EventLog
    relay: Relay
    readiness: Readiness
    keyring: Keyring
    hosts: Hosts
    origins: Origins
    #: The API's own description, and the paths that are answered without a key.
    openapi: dict[str, Any]
    public: frozenset[str]
    error_shapes: ErrorShapes
    draining: bool = False
    #: The task on which every stream depends, once the application has started.
    relaying: "asyncio.Task[None] | None" = None


STATE = web.AppKey("state", State)
#: The asker, set by the middleware for every route that is not public.
ASKER = web.RequestKey("asker", Asker)
#: Names the request in our log and in its answer.
REQUEST_ID = web.RequestKey("request_id", str)


def new_request_id() -> str:
    """Unlike every other."""
    return f"req_{uuid.uuid4().hex}"


#: Loop time at which the request was taken.
ACCEPTED_AT = web.RequestKey("accepted_at", float)
