"""Answers that are no stream: JSON, and errors in the shape that a route's clients know."""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
from aiohttp import web
from aiohttp.helpers import ETAG_ANY

from shared.errors import HeadraceError, OutOfScope, RangeNotSatisfiable
from shared.ledger import Verdict


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


def _own_status(error: HeadraceError) -> int:
    return error.status


def _no_headers(request_id: str) -> dict[str, str]:
    return {}


class ErrorShape(NamedTuple):
    """How a dialect says that something went wrong."""

    #: The body of every answer of 400 and above.
    answer: type[msgspec.Struct]
    #: That body, of an error and the request's id.
    of: Callable[[HeadraceError, str], msgspec.Struct]
    #: The status, where the dialect's clients know it by another number than ours.
    status: Callable[[HeadraceError], int] = _own_status
    #: What its clients read beside, of the request's id.
    headers: Callable[[str], dict[str, str]] = _no_headers
    #: What its clients look for in an answer's headers to know their limits, beside what every answer says.
    limits: Callable[[Verdict], dict[str, str]] = lambda verdict: {}


def _native(error: HeadraceError, request_id: str) -> ErrorAnswer:
    body = ErrorBody(
        code=error.code,
        message=error.message,
        retryable=error.retryable,
        field=error.field,
        request_id=request_id if error.status == 500 else None,
        detail=error.detail,
    )
    return ErrorAnswer(body)


NATIVE_ERRORS = ErrorShape(ErrorAnswer, _native)


class ErrorShapes:
    """
    The shape of errors at an address: its route's. Where no route answers, that of the routes which share
    most of its beginning, so that a client that mistypes an address can read why it failed.
    """

    def __init__(self, shapes: Iterable[tuple[str, ErrorShape]]) -> None:
        self._shapes: dict[tuple[str, ...], ErrorShape] = {}
        for path, shape in shapes:
            parts = _parts(path)
            for length in range(1, len(parts) + 1):
                self._shapes.setdefault(parts[:length], shape)

    def of(self, path: str) -> ErrorShape:
        """The shape for *path*, a route's or whatever a client asked for."""
        parts = _parts(path)
        while parts:
            if parts in self._shapes:
                return self._shapes[parts]
            parts = parts[:-1]
        return NATIVE_ERRORS


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)


def render(error: HeadraceError, shape: ErrorShape, request_id: str) -> web.Response:
    """*error* as an answer in *shape*."""
    response = answer_json(shape.of(error, request_id), shape.status(error), shape.headers(request_id))
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, OutOfScope):
        response.headers["WWW-Authenticate"] = 'Bearer error="insufficient_scope"'
    if isinstance(error, RangeNotSatisfiable) and error.size is not None:
        response.headers["Content-Range"] = f"bytes */{error.size}"
    if error.status == 415:
        response.headers["Accept-Encoding"] = "identity"
    if not error.retryable:
        # OpenAI's clients send a request again after any 409, 429 or 5xx, unless told not to.
        response.headers["X-Should-Retry"] = "false"
    return response


def render_bytes(error: HeadraceError, request_id: str) -> bytes:
    """*error* as the whole and last answer on a connection, for where no request was read."""
    response, body = render(error, NATIVE_ERRORS, request_id), msgspec.json.encode(_native(error, request_id))
    response.headers["X-Request-Id"] = request_id
    response.headers["Connection"] = "close"
    response.headers["Content-Length"] = str(len(body))
    head = [f"HTTP/1.1 {response.status} {response.reason}"]
    head += [f"{name}: {value}" for name, value in response.headers.items()]
    return "\r\n".join([*head, "", ""]).encode() + body


def answer_json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """*value* as a JSON answer."""
    body = msgspec.json.encode(value)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def has_it(request: web.Request, tag: str) -> bool:
    """Whether the asker has what is tagged so, by `If-None-Match`: 304 is enough."""
    return any(etag.value in {tag, ETAG_ANY} for etag in request.if_none_match or ())
