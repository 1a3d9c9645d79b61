"""
The connections that requests arrive on.

Every request is answered in our shape, also what is no HTTP; no answer and no log repeats what a stranger
wrote. An answer given before its request's body had come to its end is the last on its connection: what
follows there is the rest of that body, and must never be read as a request.

Who sends slowly is let go in time: there are limits for headers, for bodies and for connections that wait.
Nothing here limits how long an answer takes.
"""

import asyncio
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from gateway.edge.aiohttp_private import BareConnection, BareRunner, BareServer, is_routed
from gateway.edge.answers import NATIVE_ERRORS, render, render_bytes
from gateway.edge.body import LateBody
from gateway.edge.door import Door
from gateway.edge.room import Room
from gateway.edge.state import REQUEST_ID, STATE, new_request_id
from shared import metrics
from shared.errors import HeadraceError, Internal, InvalidRequest, RequestTimeout
from shared.settings import Settings

logger = structlog.get_logger("gateway.edge.connections")

#: How long what still comes is read and dropped after a last answer. Closed at once, with bytes unread, the
#: system would reset the connection, and the client might lose the answer.
_LINGER_S = 2.0
#: Of one request, its first line and headers, in pieces; each of them is bounded by the parser.
_MOST_HEAD_BYTES = 64 * 1024

_EXPECTS = "`Expect` can be `100-continue` and nothing else."
_NOT_HTTP = "This is not a valid HTTP request."
_TOO_LONG = "The request's first line or its headers are too long."


class Connection(BareConnection):
    """One client's connection."""

    __slots__ = (
        *("_alarm", "_at_the_door", "_broken", "_door", "_head_bytes", "_incoming", "_noticed", "_room"),
        "_settings",
    )

    def __init__(
        self, manager: "Connections", room: Room, door: Door, settings: Settings, **options: Any
    ) -> None:
        super().__init__(manager, **options)
        self._room, self._door, self._settings = room, door, settings
        #: What has come of a request that may not begin yet; nothing more is read meanwhile.
        self._at_the_door = b""
        #: Rings when what is expected next has not come.
        self._alarm: asyncio.TimerHandle | None = None
        #: The body of the request that arrived last.
        self._incoming: StreamReader = EMPTY_PAYLOAD
        #: How many requests had arrived when last looked.
        self._noticed = 0
        #: What has come of a request whose headers have not ended.
        self._head_bytes = 0
        #: Nothing that still comes is read.
        self._broken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, if there is room, and wait for its first request."""
        super().connection_made(transport)
        refused = self._room.enter(self.peername)
        if refused is not None:
            self._refuse(refused)
        else:
            self._expect(self._settings.headers_timeout_s)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give back what the connection held."""
        self._expect(None)
        # Only what was made is lost, once.
        self._room.leave(self.peername)
        super().connection_lost(exc)
        self._incoming = EMPTY_PAYLOAD

    def data_received(self, data: bytes) -> None:
        """Take what arrived, unless it follows something that nobody could read."""
        if self.is_switched:
            super().data_received(data)
        elif self._at_the_door or (
            data and self._incoming.is_eof() and not (self._broken or self._door.enter(self._enter))
        ):
            self._at_the_door += data
            self.read_no_more()
        else:
            self._receive(data)

    def _enter(self) -> None:
        data, self._at_the_door = self._at_the_door, b""
        if self.transport is not None:
            self.read_on()
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        if self._broken:
            return
        between = self._incoming.is_eof()
        super().data_received(data)
        if self.arrived != self._noticed:
            self._notice()
        elif not between:
            if self._alarm is not None and self._incoming.is_eof():
                self._expect(None)
        elif data and not self.is_ending:
            self._take_head(len(data))

    def _take_head(self, size: int) -> None:
        if not self._head_bytes and not (self._alarm and not self._noticed):
            self._expect(self._settings.headers_timeout_s)
        self._head_bytes += size
        if self._head_bytes > _MOST_HEAD_BYTES:
            self._refuse(InvalidRequest(_TOO_LONG))

    def _notice(self) -> None:
        self._noticed, self._head_bytes = self.arrived, 0
        if not self.has_waiting:
            return
        before = self._incoming
        is_http, self._incoming = self.last_waiting()
        if not is_http:
            self._broken = True
            if not before.is_eof():
                # aiohttp lets go of a body that breaks; whoever reads it would wait for ever.
                before.set_exception(web.RequestPayloadError())
        self._expect(None if self._incoming.is_eof() else self._settings.body_timeout_s)

    def _expect(self, within_s: float | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None if within_s is None else self.loop.call_later(within_s, self._let_go)

    def _let_go(self) -> None:
        self._alarm = None
        if self._broken or self.is_ending:
            return
        if self._at_the_door:
            self._expect(self._settings.headers_timeout_s)
        elif not self._incoming.is_eof():
            metrics.connections_refused.labels("body").inc()
            self._incoming.set_exception(LateBody())
        elif self.is_answering:
            # A part of a next request, which must not end the answer before it.
            self._expect(self._settings.headers_timeout_s)
        else:
            metrics.connections_refused.labels("headers").inc()
            if self._head_bytes:
                self._refuse(RequestTimeout())
            else:
                self.force_close()

    def end_idle(self) -> None:
        """A connection that has begun to send is not idle; it has its own time."""
        if not (self._head_bytes or self._at_the_door):
            super().end_idle()

    def _refuse(self, error: HeadraceError) -> None:
        """Answer with *error* where no request was read, or while one is answered just go."""
        self._broken = True
        self._expect(None)
        transport = self.transport
        if transport is None or self.is_answering or self._room.is_stormed:
            self.force_close()
        elif not transport.is_closing():
            transport.write(render_bytes(error, new_request_id()))
            transport.write_eof()
            self.loop.call_later(_LINGER_S, self.force_close)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send *resp*; where the request's end was not seen, end the connection after it."""
        if isinstance(resp, web.HTTPException) and resp.status >= 400:
            # From outside all middlewares: aiohttp's word on `Expect`.
            resp = _refusal(request, InvalidRequest(_EXPECTS, field="Expect"))
        if request.writer.output_size > 0 and not resp.prepared:
            # An error in mid-stream; a second answer would become a part of the first.
            logger.warning("an answer broke off", status=resp.status, request_id=request.get(REQUEST_ID))
            raise ConnectionError("an answer broke off")
        resp, gone = await super().finish_response(request, resp, start_time)
        if self.arrived != self._noticed:
            self._notice()
        if not gone and (not request.content.is_eof() or (self._broken and not self.has_waiting)):
            await self._linger()
        return resp, gone

    async def _linger(self) -> None:
        """Close our side, and the connection once the other side does; its leaving cancels this."""
        self._broken = True
        self._expect(None)
        if (transport := self.transport) is not None and not transport.is_closing():
            transport.write_eof()
            self.read_on()
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
            error = InvalidRequest(_TOO_LONG if isinstance(exc, LineTooLong) else _NOT_HTTP)
            logger.info("refused what is no HTTP", reason=type(exc).__name__)
            metrics.requests.labels("none", str(error.status)).inc()
        else:
            logger.error("request failed", exc_info=exc)
        return _refusal(request, error)


def _refusal(request: web.BaseRequest, error: HeadraceError) -> web.Response:
    """*error* as the last answer on its connection, for what never came to a middleware."""
    request_id = request.get(REQUEST_ID) or new_request_id()
    shape = NATIVE_ERRORS
    if isinstance(request, web.Request) and is_routed(request):
        shape = request.app[STATE].error_shapes.of(request.path)
    response = render(error, shape, request_id)
    response.headers["X-Request-Id"] = request_id
    response.headers["Connection"] = "close"
    response.force_close()
    return response


class Connections(BareServer):
    """Makes a `Connection` for every client."""

    def __init__(self, handler: Any, settings: Settings, room: Room, **options: Any) -> None:
        super().__init__(handler, **options)
        self._settings, self._room = settings, room
        self._door = Door(asyncio.get_running_loop())

    def connection(self, **options: Any) -> Connection:
        """One more."""
        return Connection(self, self._room, self._door, self._settings, **options)


class Runner(BareRunner):
    """Serves an application on connections of ours."""

    __slots__ = ("_room", "_settings")

    def __init__(self, app: web.Application, settings: Settings, *, shutdown_timeout: float) -> None:
        super().__init__(app, access_log=None, handler_cancellation=True, shutdown_timeout=shutdown_timeout)
        self._settings, self._room = settings, app[STATE].room

    def server_like(self, plain: web.Server) -> web.Server:
        """One of our connections."""
        return Connections(
            plain.request_handler,
            self._settings,
            self._room,
            request_factory=plain.request_factory,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=self._settings.idle_timeout_s,
            # Encoded bodies are refused, so none is ever decoded.
            auto_decompress=False,
        )
