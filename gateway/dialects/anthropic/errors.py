"""Errors as Anthropic's clients know them: bodies, frames and statuses."""

import msgspec

from gateway.edge import limit_headers
from gateway.edge.answers import ErrorShape
from shared.errors import HeadraceError
from shared.failures import ContextLengthExceeded

#: Of an error, by our status; what is not here is an `api_error`, or `invalid_request_error` below 500.
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
#: Where Anthropic's statuses are not ours.
_STATUSES = {503: 529}


class AnthropicErrorBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, as Anthropic says it; beside it our own code, and the part of the request at fault."""

    type: str
    message: str
    code: str
    param: str | None = None


class AnthropicErrorAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every answer of 400 and above, and what an `error` event says."""

    type: str
    error: AnthropicErrorBody
    request_id: str | None = None


def anthropic_error(error: HeadraceError, request_id: str | None = None) -> AnthropicErrorAnswer:
    """*error* in Anthropic's shape, for an answer or for a frame."""
    kind = "api_error" if error.status >= 500 else "invalid_request_error"
    message = error.message
    if isinstance(error, ContextLengthExceeded):
        # By these words clients know that they have to make a conversation shorter.
        message = f"prompt is too long: {message}"
    body = AnthropicErrorBody(
        type=_TYPES.get(error.status, kind), message=message, code=error.code, param=error.field
    )
    return AnthropicErrorAnswer(type="error", error=body, request_id=request_id)


def _status(error: HeadraceError) -> int:
    return _STATUSES.get(error.status, error.status)


def request_header(request_id: str) -> dict[str, str]:
    """Where Anthropic's clients look for a request's id."""
    return {"Request-Id": request_id}


ANTHROPIC_ERRORS = ErrorShape(
    AnthropicErrorAnswer, anthropic_error, _status, request_header, limit_headers.anthropic
)
