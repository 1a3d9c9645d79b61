"""What a call of the API is: its handler, what it takes and gives, and every status it can answer."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.edge.answers import NATIVE_ERRORS, ErrorShape
from gateway.edge.state import Needs
from shared.asker import Scope

#: Begins before its `yield`, and ends after it.
Running = Callable[[web.Application], AsyncIterator[None]]
#: Place, name and schema of a parameter.
Parameter = tuple[str, str, Mapping[str, Any]]

STRING: Mapping[str, Any] = {"type": "string"}
BOOLEAN: Mapping[str, Any] = {"type": "boolean"}
NUMBER: Mapping[str, Any] = {"type": "integer", "minimum": 0}
#: Where a reader resumes.
RESUME: Sequence[Parameter] = (("header", "Last-Event-ID", STRING), ("query", "after", STRING))
#: Which bytes are asked for, and of which version.
RANGE: Sequence[Parameter] = (("header", "Range", STRING), ("header", "If-Range", STRING))
IDEMPOTENT: Sequence[Parameter] = (("header", "Idempotency-Key", STRING),)


@dataclass(frozen=True)
class Route:
    """One call."""

    method: str
    path: str
    handler: Handler
    body: type | None = None
    gives: type | str = "text/event-stream"
    statuses: Sequence[int] = (200,)
    errors: Sequence[int] = (400, 401, 404, 503)
    parameters: Sequence[Parameter] = ()
    #: It answers as an event stream too, where that is asked for.
    streams: bool = False
    #: Other media types that it answers in, where they are asked for.
    also: Sequence[str] = ()
    #: Answered without an API key.
    public: bool = False
    error_shape: ErrorShape = NATIVE_ERRORS
    #: The scopes of which an asker needs one; else `chat` for what changes something, and for the rest
    #: `read`.
    scopes: Sequence[Scope] = ()
    #: Not for strangers, with or without a key: served on the port for it alone, or on loopback.
    private: bool = False
    #: Whether it counts against a limit of requests by itself. Unless said, what reads does, and what changes
    #: something other than by POST; of those, what begins a reply is counted when that is accepted, and what
    #: stops something never.
    counts: bool | None = None

    @property
    def follows(self) -> bool:
        """Whether it takes up a stream that has begun."""
        return self.method == "GET" and self.gives == "text/event-stream"

    @property
    def needs(self) -> Needs:
        """What it needs of its asker. Whoever may begin replies may also follow their streams."""
        follows = self.follows
        if self.scopes:
            scopes = frozenset(self.scopes)
        elif self.method == "GET":
            scopes = frozenset[Scope](("read", "chat") if follows else ("read",))
        else:
            scopes = frozenset[Scope](("chat",))
        counts = self.method != "POST" and not follows if self.counts is None else self.counts
        return Needs(scopes, counts)
