"""Around every handler: who asks, the request's id, and errors as answers; never a traceback to a client."""

import time

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.edge import limit_headers
from gateway.edge.answers import render
from gateway.edge.client_address import was_forwarded
from gateway.edge.limits import count_read
from gateway.edge.state import (
    ACCEPTED_AT,
    ASKER,
    OF_PAGE,
    REQUEST_ID,
    STATE,
    TRACE,
    VERDICT,
    State,
    new_request_id,
)
from shared import errors, logs, metrics, tracing
from shared.errors import Draining, HeadraceError, NotFound, OutOfScope, UnsupportedMediaType

logger = structlog.get_logger("gateway.edge.middleware")

#: What every port answers.
_HEALTH = frozenset(("/livez", "/readyz"))
#: Unless an answer says something else: it is what its type says, and no page of anybody's.
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # Refusals too: caches keep a 404 or a 410 that does not say so.
    "Cache-Control": "no-store",
}

_OF_STATUS: dict[int, type[HeadraceError]] = {
    400: errors.InvalidRequest,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.TooLarge,
    415: errors.UnsupportedMediaType,
}


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into an answer in its route's shape."""
    request[ACCEPTED_AT] = time.monotonic()
    request[REQUEST_ID] = new_request_id()
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unknown"
    if request.method == "GET" and route in request.app[STATE].followed:
        # Before anything is done for it: of a crowd that comes back, all of it would be in one round.
        await request.app[STATE].relay.arrive()
    if (sent := tracing.checked(request.headers.get("traceparent"))) is not None:
        request[TRACE] = sent
    spans = tracing.spans
    if spans is None or route in request.app[STATE].public:
        return await _answer(request, handler, route)
    with spans.request(request.method, route, sent, request.headers.get("tracestate")):
        request[TRACE] = spans.here()
        response = await _answer(request, handler, route)
        spans.tell({"http.response.status_code": response.status, "headrace.request.id": request[REQUEST_ID]})
        if response.status >= 500:
            spans.failed(str(response.status))
        return response


async def _answer(request: web.Request, handler: Handler, route: str) -> web.StreamResponse:
    request_id = request[REQUEST_ID]
    logs.begin(request_id=request_id, trace_id=tracing.trace_id(request.get(TRACE)))
    state = request.app[STATE]
    shape = state.error_shapes.of(_route(request))
    try:
        with state.room.serving(request):
            response = await handler(request)
    except HeadraceError as error:
        response = render(error, shape, request_id)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        known = _OF_STATUS.get(error.status, errors.InvalidRequest if error.status < 500 else errors.Internal)
        response = render(known(_message(error)), shape, request_id)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
    except Exception:  # the client gets an answer, the log the traceback
        logger.exception("request failed", route=route)
        response = render(errors.Internal(), shape, request_id)
    metrics.requests.labels(route, str(response.status)).inc()
    return response


@web.middleware
async def know_asker(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse strangers, and everybody once this gateway is going away."""
    state = request.app[STATE]
    resource = request.match_info.route.resource
    if resource is None or resource.canonical in state.public:
        return await handler(request)
    if state.draining:
        raise Draining(retry_after_s=1)
    asker = request[ASKER] = await state.askers.of(request)
    needs = state.needs[_read_as(request.method), resource.canonical]
    if not asker.scopes & needs.scopes:
        wanted = " or ".join(f"`{scope}`" for scope in sorted(needs.scopes))
        raise OutOfScope(f"This needs the scope {wanted}, which your key does not have.")
    if needs.counts:
        await count_read(request)
    return await handler(request)


def _check_port(request: web.Request, state: State) -> None:
    """Raises `NotFound` for what is private on the port for all, and for the rest on the private one."""
    # Whoever comes through a proxy is not on this machine, whether or not we were told of the proxy.
    if state.settings.on_loopback and state.settings.admin_port is None and not was_forwarded(request):
        return
    address = request.transport.get_extra_info("sockname") if request.transport is not None else None
    on_admin_port = address is not None and address[1] == state.admin_port
    path = _route(request)
    if path in _HEALTH or (path in state.private) == on_admin_port:
        return
    hint = " It has a port of its own: HEADRACE_ADMIN_PORT." if path in state.private else ""
    raise NotFound(f"This port does not serve {path[:100]}.{hint}")


def _read_as(method: str) -> str:
    return "GET" if method == "HEAD" else method


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse, at any address, what comes by a wrong name, from a wrong page, or would have to be unpacked."""
    state = request.app[STATE]
    state.hosts.check(request)
    _check_port(request, state)
    if (granted := state.origins.preflight(request)) is not None:
        return granted
    state.origins.check(request)
    # Few bytes can be a great many once they are decompressed.
    encodings = request.headers.getall("Content-Encoding", [])
    if any(encoding.strip().lower() != "identity" for encoding in encodings):
        raise UnsupportedMediaType(
            "Send the body as it is: no `Content-Encoding` is understood.", field="Content-Encoding"
        )
    return await handler(request)


MIDDLEWARES: list[Middleware] = [answer_errors, admit, know_asker]


async def complete_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer says, streams included."""
    if REQUEST_ID in request:
        response.headers["X-Request-Id"] = request[REQUEST_ID]
    if not response.get(OF_PAGE, False):
        # A script's policy would be its worker's.
        for name, value in _ALWAYS.items():
            response.headers.setdefault(name, value)
        request.app[STATE].origins.tell(request.headers, response.headers)
    if (verdict := request.get(VERDICT)) is not None:
        response.headers.update(limit_headers.common(verdict))
        response.headers.update(request.app[STATE].error_shapes.of(_route(request)).limits(verdict))
    if not request.content.is_eof() or _offers_another_protocol(request):
        # See `connections`: the last answer here.
        response.headers["Connection"] = "close"
        response.force_close()


def _offers_another_protocol(request: web.Request) -> bool:
    """Such as `h2c`. The offer is declined; aiohttp drops what came in the same packet."""
    return request.headers.get("Upgrade", "websocket").strip().lower() != "websocket"


def _route(request: web.Request) -> str:
    """The address of its route; where there is none, its own."""
    resource = request.match_info.route.resource
    return request.path if resource is None else resource.canonical


def _message(error: web.HTTPException) -> str | None:
    return None if error.status in _OF_STATUS else error.reason
