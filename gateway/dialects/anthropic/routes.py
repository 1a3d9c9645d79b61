"""Anthropic's Messages."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.dialects.anthropic import messages
from gateway.dialects.anthropic.errors import ANTHROPIC_ERRORS
from gateway.dialects.anthropic.message import MessageObject
from gateway.dialects.anthropic.request import CountRequest, MessagesRequest
from gateway.route import IDEMPOTENT, RESUME, STRING, Route

_VERSION = (("header", "anthropic-version", STRING),)

_CALLS: Sequence[Route] = (
    Route(
        "POST",
        "/v1/messages",
        messages.create,
        body=MessagesRequest,
        gives=MessageObject,
        streams=True,
        errors=(400, 401, 404, 410, 413, 415, 422, 429, 500, 502, 504, 529),
        parameters=(*IDEMPOTENT, *_VERSION),
    ),
    Route(
        "POST",
        "/v1/messages/count_tokens",
        messages.count,
        body=CountRequest,
        gives=messages.TokenCount,
        errors=(400, 401, 404, 413, 415, 529),
        parameters=_VERSION,
        counts=True,
    ),
    Route(
        "GET",
        "/v1/messages/{message_id}/stream",
        messages.resume,
        statuses=(200, 204),
        errors=(400, 401, 404, 410, 429, 529),
        parameters=RESUME,
    ),
)

ROUTES: Sequence[Route] = [replace(route, error_shape=ANTHROPIC_ERRORS) for route in _CALLS]
