"""
An error as an answer, in the shape that its address's clients know.

Under `/v1/` that is OpenAI's, elsewhere our own; also for what no route answers.
"""

import msgspec
from aiohttp import web

from shared.errors import HeadraceError

OPENAI_PREFIX = "/v1/"

_OPENAI_TYPES = {401: "authentication_error", 429: "rate_limit_error"}


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong. `field` names the part of the request at fault."""

    code: str
    message: str
    retryable: bool = msgspec.field()
    field: str | None = None
    request_id: str | None = None
    detail: dict[str, str] = {}


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every answer of 400 and above."""

    error: ErrorBody


class OpenAIErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, as OpenAI says it. `param` names the part of the request at fault."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every answer of 400 and above under `/v1/`."""

    error: OpenAIErrorBody


def answer_type(path: str) -> type[ErrorAnswer] | type[OpenAIErrorAnswer]:
    """The body of errors at *path*."""
    return OpenAIErrorAnswer if path.startswith(OPENAI_PREFIX) else ErrorAnswer


def openai_body(error: HeadraceError) -> OpenAIErrorBody:
    """*error* in OpenAI's shape, for an answer or for a frame."""
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    return OpenAIErrorBody(
        message=error.message,
        type=_OPENAI_TYPES.get(error.status, kind),
        param=error.field,
        code=error.code,
    )


def render(error: HeadraceError, path: str, request_id: str) -> web.Response:
    """*error* as the answer to a request for *path*."""
    answer: ErrorAnswer | OpenAIErrorAnswer
    if answer_type(path) is OpenAIErrorAnswer:
        answer = OpenAIErrorAnswer(openai_body(error))
    else:
        body = ErrorBody(
            code=error.code,
            message=error.message,
            retryable=error.retryable,
            field=error.field,
            request_id=request_id if error.status == 500 else None,
            detail=error.detail,
        )
        answer = ErrorAnswer(body)
    response = web.Response(
        body=msgspec.json.encode(answer), status=error.status, content_type="application/json"
    )
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if not error.retryable:
        # OpenAI's clients send a request again after any 409, 429 or 5xx, unless told not to.
        response.headers["X-Should-Retry"] = "false"
    return response
