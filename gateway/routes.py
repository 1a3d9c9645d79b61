"""The whole API on one screen."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aiohttp.typedefs import Handler

from gateway import health, openapi
from gateway.dialects.ai_sdk import chat as ui_chat
from gateway.dialects.native import chat
from gateway.dialects.native import conversations as history
from gateway.dialects.openai import chat as completions
from gateway.dialects.openai import models as model_list
from gateway.dialects.openai import responses
from gateway.dialects.openai.response_object import ResponseObject
from gateway.dialects.openai.response_request import ResponseRequest
from shared.conversations import Conversation

_STRING: Mapping[str, Any] = {"type": "string"}
#: Where a reader goes on.
_RESUME = (("header", "Last-Event-ID", _STRING), ("query", "after", _STRING))
_IDEMPOTENT = (("header", "Idempotency-Key", _STRING),)
_NUMBER: Mapping[str, Any] = {"type": "integer", "minimum": 0}
_PAGE = (
    ("query", "limit", {"type": "integer", "minimum": 1, "maximum": 100}),
    ("query", "order", {"enum": ["asc", "desc"]}),
    ("query", "after", _STRING),
)
_FOUND = (
    ("query", "limit", {"type": "integer", "minimum": 1, "maximum": 200}),
    ("query", "q", {"type": "string", "maxLength": 200}),
)
_CACHED = (("header", "If-None-Match", _STRING),)


class Route(NamedTuple):
    """One call: what it takes, what it gives, and every status it can answer."""

    method: str
    path: str
    handler: Handler
    body: type | None = None
    gives: type | str = "text/event-stream"
    statuses: Sequence[int] = (200,)
    errors: Sequence[int] = (400, 401, 404, 503)
    #: Place, name and schema of further parameters.
    parameters: Sequence[tuple[str, str, Mapping[str, Any]]] = ()
    #: It answers as an event stream too, where that is asked for.
    streams: bool = False
    #: Answered without an API key.
    public: bool = False


ROUTES: Sequence[Route] = (
    Route(
        "POST",
        "/api/chat/stream",
        chat.send,
        body=chat.ChatRequest,
        errors=(400, 401, 404, 409, 413, 415, 422, 429, 503),
        parameters=_IDEMPOTENT,
    ),
    Route(
        "GET",
        "/api/chat/{generation_id}/stream",
        chat.resume,
        statuses=(200, 204),
        errors=(400, 401, 404, 410, 429, 503),
        parameters=_RESUME,
    ),
    Route("POST", "/api/chat/{generation_id}/cancel", chat.cancel, gives=chat.Receipt, statuses=(200, 202)),
    Route("GET", "/api/chat/{generation_id}", chat.status, gives=chat.Status),
    Route("GET", "/api/conversations", history.recent, gives=history.ConversationList, parameters=_FOUND),
    Route(
        "GET",
        "/api/conversations/{conversation_id}",
        history.detail,
        gives=history.ConversationDetail,
        statuses=(200, 304),
        parameters=_CACHED,
    ),
    Route(
        "PATCH",
        "/api/conversations/{conversation_id}",
        history.rename,
        body=history.ConversationChange,
        gives=Conversation,
        errors=(400, 401, 404, 413, 415, 503),
    ),
    Route(
        "DELETE",
        "/api/conversations/{conversation_id}",
        history.remove,
        statuses=(204,),
        errors=(400, 401, 404, 503),
    ),
    Route(
        "GET",
        "/api/conversations/{conversation_id}/stream",
        history.follow,
        statuses=(200, 204),
        errors=(400, 401, 404, 429, 503),
        parameters=_RESUME,
    ),
    Route(
        "POST",
        "/api/ui/chat",
        ui_chat.send,
        body=ui_chat.UIChatRequest,
        errors=(400, 401, 404, 413, 415, 422, 429, 503),
        parameters=_IDEMPOTENT,
    ),
    Route(
        "GET",
        "/api/ui/chat/{chat_id}/stream",
        ui_chat.resume,
        statuses=(200, 204),
        errors=(400, 401, 429, 503),
        parameters=(*_RESUME, ("query", "message_id", _STRING)),
    ),
    Route(
        "POST",
        "/api/ui/chat/{chat_id}/stop",
        ui_chat.halt,
        body=ui_chat.UIStopRequest,
        gives=chat.Receipt,
        statuses=(200, 202, 204),
        errors=(400, 401, 404, 413, 415, 503),
    ),
    Route(
        "POST",
        "/v1/chat/completions",
        completions.create,
        body=completions.CompletionRequest,
        gives=completions.Completion,
        streams=True,
        errors=(400, 401, 404, 410, 413, 415, 422, 429, 500, 502, 503, 504),
        parameters=_IDEMPOTENT,
    ),
    Route(
        "GET",
        "/v1/chat/completions/{generation_id}/stream",
        completions.resume,
        statuses=(200, 204),
        errors=(400, 401, 404, 410, 429, 503),
        parameters=_RESUME,
    ),
    Route(
        "POST",
        "/v1/responses",
        responses.create,
        body=ResponseRequest,
        gives=ResponseObject,
        streams=True,
        errors=(400, 401, 404, 410, 413, 415, 422, 429, 500, 502, 503, 504),
        parameters=_IDEMPOTENT,
    ),
    Route(
        "GET",
        "/v1/responses/{response_id}",
        responses.retrieve,
        gives=ResponseObject,
        streams=True,
        errors=(400, 401, 404, 410, 429, 503),
        parameters=(("query", "stream", {"type": "boolean"}), ("query", "starting_after", _NUMBER)),
    ),
    Route(
        "POST",
        "/v1/responses/{response_id}/cancel",
        responses.cancel,
        gives=ResponseObject,
        statuses=(200, 202),
        errors=(401, 404, 503),
    ),
    Route(
        "DELETE",
        "/v1/responses/{response_id}",
        responses.delete,
        gives=responses.Deleted,
        errors=(401, 404, 503),
    ),
    Route(
        "GET",
        "/v1/responses/{response_id}/input_items",
        responses.input_items,
        gives=responses.ItemList,
        parameters=_PAGE,
    ),
    Route("GET", "/v1/models", model_list.listing, gives=model_list.ModelList, errors=(401, 503)),
    Route(
        "GET", "/v1/models/{model}", model_list.detail, gives=model_list.ModelEntry, errors=(401, 404, 503)
    ),
    Route("GET", "/api/heartbeat", health.beat, gives=health.Heartbeat, errors=(), public=True),
    Route("GET", "/livez", health.live, gives=health.Health, errors=(), public=True),
    Route("GET", "/readyz", health.ready, gives=health.Health, errors=(503,), public=True),
    Route("GET", "/metrics", health.expose, gives="text/plain", errors=(), public=True),
    Route("GET", "/openapi.json", openapi.describe, gives="application/json", errors=(), public=True),
    Route("GET", "/docs", openapi.page, gives="text/html", errors=(), public=True),
)
