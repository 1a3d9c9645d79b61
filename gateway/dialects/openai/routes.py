"""OpenAI's APIs."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.dialects.openai import (
    chat,
    compaction,
    conversations,
    models,
    paging,
    response_socket,
    responses,
)
from gateway.dialects.openai.errors import OPENAI_ERRORS
from gateway.dialects.openai.response_object import ResponseObject
from gateway.dialects.openai.response_request import ResponseRequest
from gateway.route import IDEMPOTENT, NUMBER, RESUME, STRING, Route

_PAGE = (
    ("query", "limit", {"type": "integer", "minimum": 1, "maximum": 100}),
    ("query", "order", {"enum": ["asc", "desc"]}),
    ("query", "after", STRING),
)

_ONE = "/{conversation_id}"
_FOUND = (401, 404, 503)
_CHANGED = (400, 401, 404, 413, 415, 503)
_CONVERSATION = conversations.ConversationObject

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
        gives=paging.ItemList,
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
        counts=True,
    ),
    *(
        Route(
            method,
            f"/v1/conversations{path}",
            handler,
            body=body,
            gives=gives,
            errors=errors,
            parameters=of,
            counts=True,
        )
        for method, path, handler, body, gives, errors, of in (
            ("POST", "", conversations.create, conversations.NewConversation, _CONVERSATION, _CHANGED, ()),
            ("GET", _ONE, conversations.retrieve, None, _CONVERSATION, _FOUND, ()),
            (
                "POST",
                _ONE,
                conversations.change,
                conversations.ChangedConversation,
                _CONVERSATION,
                _CHANGED,
                (),
            ),
            ("DELETE", _ONE, conversations.delete, None, conversations.DeletedConversation, _FOUND, ()),
            ("GET", f"{_ONE}/items", conversations.items, None, paging.ItemList, (400, *_FOUND), _PAGE),
            (
                "POST",
                f"{_ONE}/items",
                conversations.add,
                conversations.NewItems,
                paging.ItemList,
                _CHANGED,
                (),
            ),
            ("GET", f"{_ONE}/items/{{item_id}}", conversations.item, None, paging.AnyItem, _FOUND, ()),
        )
    ),
    Route("GET", "/v1/models", models.listing, gives=models.ModelList, errors=(401, 503)),
    Route("GET", "/v1/models/{model}", models.detail, gives=models.ModelEntry, errors=(401, 404, 503)),
)

ROUTES: Sequence[Route] = [replace(route, error_shape=OPENAI_ERRORS) for route in _CALLS]
