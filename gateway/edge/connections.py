"""
The connections that requests arrive on.

Every request is answered in our shape, also what is no HTTP; no answer and no log repeats what a stranger
wrote. An answer given before its request's body had come to its end is the last on its connection: what
follows there is the rest of that body, and must never be read as a request.
"""

import asyncio
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from gateway.edge.answers import NATIVE_ERRORS, ErrorShapes, render
from gateway.edge.state import REQUEST_ID, STATE, new_request_id
from shared import metrics
from shared.errors import HeadraceError, Internal, InvalidRequest

logger = structlog.get_logger("gateway.edge.connections")

#: How long what still comes is read and dropped after a last answer. Closed at once, with bytes unread, the
#: system would reset the connection, and the client might lose the answer.
_LINGER_S = 2.0


class Connection(web.RequestHandler):
    """One client's connection."""

    __slots__ = ("_broken", "_incoming", "_noticed")

    def __init__(self, manager: "Connections", **options: Any) -> None:
        super().__init__(manager, **options)
        #: The body of the request that arrived last.
        self._incoming: StreamReader = EMPTY_PAYLOAD
        #: How many requests had arrived when last looked.
        self._noticed = 0
        #: What came last was no HTTP; nothing after it is read.
        self._broken = False

    def data_received(self, data: bytes) -> None:
        """Take what arrived, unless it follows something that nobody could read."""
        if not self._broken:
            super().data_received(data)
            if self._request_count != self._noticed:
                self._notice()

    def _notice(self) -> None:
        self._noticed = self._request_count
        if not self._messages:
            return
        before = self._incoming
        message, self._incoming = self._messages[-1]
        if not isinstance(message, RawRequestMessage):
            self._broken = True
            if not before.is_eof():
                # aiohttp lets go of a body that breaks; whoever reads it would wait for ever.
                before.set_exception(web.RequestPayloadError())

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send *resp*; where the request's end was not seen, end the connection once it has been read."""
        if isinstance(resp, web.HTTPException) and resp.status >= 400:
            # From outside all middlewares: aiohttp's word on `Expect`.
            resp = _refusal(request, InvalidRequest(_EXPECTS, field="Expect"))
        if request.writer.output_size > 0 and not resp.prepared:
            # An error in mid-stream; a second answer would become a part of the first.
            logger.warning("an answer broke off", status=resp.status, request_id=request.get(REQUEST_ID))
            raise ConnectionError("an answer broke off")
        resp, gone = await super().finish_response(request, resp, start_time)
        if self._request_count != self._noticed:
            self._notice()
        if not gone and (not request.content.is_eof() or (self._broken and not self._messages)):
            await self._linger()
        return resp, gone

    async def _linger(self) -> None:
        """Close our side, and the connection once the other side does; its leaving cancels this."""
        self.close()
        if (transport := self.transport) is not None and not transport.is_closing():
            transport.write_eof()
            self._resume_transport_reading()
            await asyncio.sleep(_LINGER_S)
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no HTTP, and to what no middleware caught."""
        error: HeadraceError = Internal()
        if isinstance(exc, HttpProcessingError):
            error = InvalidRequest(_NOT_HTTP if not isinstance(exc, LineTooLong) else _TOO_LONG)
            logger.info("refused what is no HTTP", reason=type(exc).__name__)
            metrics.requests.labels("none", str(error.status)).inc()
        else:
            logger.error("request failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another answer has been sent")
        return _refusal(request, error)


_EXPECTS = "`Expect` can be `100-continue` and nothing else."
_NOT_HTTP = "This is not a valid HTTP request."
_TOO_LONG = "The request's first line or one of its headers is too long."


def _refusal(request: web.BaseRequest, error: HeadraceError) -> web.Response:
    """*error* as the last answer on its connection, for what never came to a middleware."""
    request_id = request.get(REQUEST_ID) or new_request_id()
    shape = NATIVE_ERRORS
    if isinstance(request, web.Request) and request._match_info is not None:
        shapes: ErrorShapes = request.app[STATE].error_shapes
        shape = shapes.of(request.path)
    response = render(error, shape, request_id)
    response.headers["X-Request-Id"] = request_id
    response.headers["Connection"] = "close"
    response.force_close()
    return response


class Connections(web.Server):
    """Makes a `Connection` for every client."""

    def __call__(self) -> Connection:
        """One more."""
        return Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Serves an application on connections of ours."""

    def __init__(self, app: web.Application, *, shutdown_timeout: float) -> None:
        super().__init__(app, access_log=None, handler_cancellation=True, shutdown_timeout=shutdown_timeout)

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        return Connections(
            plain.request_handler,
            request_factory=plain.request_factory,
            handler_cancellation=True,
            access_log=None,
            # Encoded bodies are refused, so none is ever decoded.
            auto_decompress=False,
        )
