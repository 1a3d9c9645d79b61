"""The whole API on one screen."""

from collections.abc import Sequence
from typing import NamedTuple

from aiohttp.typedefs import Handler

from gateway import chat, health, history


class Route(NamedTuple):
    """One call: what it takes, what it gives, and the statuses it can answer besides errors."""

    method: str
    path: str
    handler: Handler
    body: type | None = None
    gives: type | str = "text/event-stream"
    statuses: Sequence[int] = (200,)
    #: Answered without an API key.
    public: bool = False


ROUTES: Sequence[Route] = (
    Route("POST", "/api/chat/stream", chat.send, body=chat.ChatRequest),
    Route("GET", "/api/chat/{generation_id}/stream", chat.resume, statuses=(200, 204)),
    Route("POST", "/api/chat/{generation_id}/cancel", chat.cancel, gives=chat.Receipt, statuses=(200, 202)),
    Route("GET", "/api/chat/{generation_id}", chat.status, gives=chat.Status),
    Route("GET", "/api/conversations", history.recent, gives=history.ConversationList),
    Route("GET", "/api/conversations/{conversation_id}", history.detail, gives=history.ConversationDetail),
    Route("GET", "/api/conversations/{conversation_id}/stream", history.follow, statuses=(200, 204)),
    Route("GET", "/api/heartbeat", health.live, gives=health.Health, public=True),
    Route("GET", "/livez", health.live, gives=health.Health, public=True),
    Route("GET", "/readyz", health.ready, gives=health.Health, public=True),
    Route("GET", "/metrics", health.expose, gives="text/plain", public=True),
)

PUBLIC = frozenset(route.path for route in ROUTES if route.public)
