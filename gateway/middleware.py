"""Around every handler: who asks, and errors as one JSON shape; never a traceback to a client."""

import asyncio
import uuid

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.state import OWNER, STATE
from shared import errors, metrics
from shared.errors import Draining, HeadraceError

logger = structlog.get_logger("gateway.middleware")

_OF_STATUS: dict[int, type[HeadraceError]] = {
    400: errors.InvalidRequest,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.TooLarge,
    415: errors.UnsupportedMediaType,
}


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


def render(error: HeadraceError, request_id: str | None = None) -> web.Response:
    """*error* as an answer."""
    body = ErrorBody(
        code=error.code,
        message=error.message,
        retryable=error.retryable,
        field=error.field,
        request_id=request_id,
        detail=error.detail,
    )
    response = web.Response(
        body=msgspec.json.encode(ErrorAnswer(body)), status=error.status, content_type="application/json"
    )
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into an answer in our shape."""
    request["accepted_at"] = asyncio.get_running_loop().time()
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unknown"
    try:
        response = await handler(request)
    except HeadraceError as error:
        response = render(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = render(_OF_STATUS.get(error.status, errors.Internal)(_message(error)))
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
    except Exception:  # the client gets an answer, the log the traceback
        request_id = uuid.uuid4().hex
        logger.exception("request failed", route=route, request_id=request_id)
        response = render(errors.Internal(), request_id)
    metrics.requests.labels(route, str(response.status)).inc()
    return response


@web.middleware
async def know_owner(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse strangers, and everybody once this gateway is going away."""
    state = request.app[STATE]
    resource = request.match_info.route.resource
    if resource is None or resource.canonical in state.public or request.method == "OPTIONS":
        return await handler(request)
    if state.draining:
        raise Draining(retry_after_s=1)
    request[OWNER] = state.keyring.owner(request)
    return await handler(request)


MIDDLEWARES: list[Middleware] = [answer_errors, know_owner]


def _message(error: web.HTTPException) -> str | None:
    return None if error.status in _OF_STATUS else error.reason
