"""Errors as OpenAI's clients know them, in answers and in frames."""

import msgspec

from gateway.edge import limit_headers
from gateway.edge.answers import ErrorShape
from shared.errors import HeadraceError

#: Clients tell a failure by its status. Beyond this it is 200, and comments keep the line alive.
STATUS_WAITS_S = 2.0

_TYPES = {401: "authentication_error", 429: "rate_limit_error"}


class OpenAIErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, as OpenAI says it. `param` names the part of the request at fault."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every answer of 400 and above of OpenAI's APIs."""

    error: OpenAIErrorBody


def openai_body(error: HeadraceError) -> OpenAIErrorBody:
    """*error* in OpenAI's shape, for an answer or for a frame."""
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    return OpenAIErrorBody(
        message=error.message,
        type=_TYPES.get(error.status, kind),
        param=error.field,
        code=error.code,
    )


def _answer(error: HeadraceError, request_id: str) -> OpenAIErrorAnswer:
    return OpenAIErrorAnswer(openai_body(error))


OPENAI_ERRORS = ErrorShape(OpenAIErrorAnswer, _answer, limits=limit_headers.openai)
