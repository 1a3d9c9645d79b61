"""OpenAI's APIs."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.dialects.openai import chat, compaction, models, response_socket, responses
from gateway.dialects.openai.errors import OPENAI_ERRORS
from gateway.dialects.openai.response_object import ResponseObject
from gateway.dialects.openai.response_request import ResponseRequest
from gateway.route import IDEMPOTENT, NUMBER, RESUME, STRING, Route

_PAGE = (
    ("query", "limit", {"type": "integer", "minimum": 1, "maximum": 100}),
    ("query", "order", {"enum": ["asc", "desc"]}),
    ("query", "after", STRING),
)

_CALLS: Sequence[Route] = (
    Route(
        "POST",
        "/v1/chat/completions",
        chat.create,
        body=chat.CompletionRequest,
        gives=chat.Completion,
        streams=True,
        errors=(400, 401, 404, 410, 413, 415, 422, 429, 500, 502, 503, 504),
        parameters=IDEMPOTENT,
    ),
    Route(
        "GET",
        "/v1/chat/completions/{generation_id}/stream",
        chat.resume,
        statuses=(200, 204),
        errors=(400, 401, 404, 410, 429, 503),
        parameters=RESUME,
    ),
    Route(
        "POST",
        "/v1/responses",
        responses.create,
        body=ResponseRequest,
        gives=ResponseObject,
        streams=True,
        errors=(400, 401, 404, 410, 413, 415, 422, 429, 500, 502, 503, 504),
        parameters=IDEMPOTENT,
    ),
    Route(
        "GET",
        "/v1/responses/{response_id}",
        responses.retrieve,
        gives=ResponseObject,
        streams=True,
        errors=(400, 401, 404, 410, 429, 503),
        parameters=(("query", "stream", {"type": "boolean"}), ("query", "starting_after", NUMBER)),
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
    # A WebSocket's: other requests are told so.
    Route(
        "GET",
        "/v1/responses",
        response_socket.converse,
        statuses=(),
        errors=(400, 401, 503),
        scopes=("chat",),
    ),
    Route(
        "POST",
        "/v1/responses/compact",
        compaction.compact,
        body=compaction.CompactRequest,
        gives=compaction.CompactedResponse,
        errors=(400, 401, 404, 410, 413, 415, 422, 429, 500, 502, 503, 504),
        parameters=IDEMPOTENT,
    ),
    Route(
        "POST",
        "/v1/responses/input_tokens",
        responses.input_tokens,
        body=ResponseRequest,
        gives=responses.InputTokens,
        errors=(400, 401, 404, 413, 415, 503),
    ),
    Route("GET", "/v1/models", models.listing, gives=models.ModelList, errors=(401, 503)),
    Route("GET", "/v1/models/{model}", models.detail, gives=models.ModelEntry, errors=(401, 404, 503)),
)

ROUTES: Sequence[Route] = [replace(route, error_shape=OPENAI_ERRORS) for route in _CALLS]
