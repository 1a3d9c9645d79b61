"""
The one module that touches privates of aiohttp's server: what `connections` has to know of it, and no more.

aiohttp is locked; what changes there breaks here.
"""

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader


class BareConnection(web.RequestHandler):
    """aiohttp's connection, with the state that a subclass needs in public."""

    __slots__ = ()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop it lives in."""
        return self._loop

    @property
    def arrived(self) -> int:
        """Requests whose headers have come so far, also those that were none."""
        return self._request_count

    @property
    def is_answering(self) -> bool:
        """A request is being answered, or waits for its turn."""
        return self._current_request is not None or bool(self._messages)

    @property
    def is_switched(self) -> bool:
        """What comes is a WebSocket's: no requests any more."""
        return self._payload_parser is not None

    @property
    def has_waiting(self) -> bool:
        """A request waits for its turn."""
        return bool(self._messages)

    @property
    def is_ending(self) -> bool:
        """Nothing more will be read as a request."""
        return self._close or self._force_close

    def last_waiting(self) -> tuple[bool, StreamReader]:
        """Of the request that came last and still waits: whether it is HTTP, and its body."""
        message, body = self._messages[-1]
        return isinstance(message, RawRequestMessage), body

    def read_no_more(self) -> None:
        """Read nothing from the socket until `read_on`."""
        self._pause_transport_reading()

    def read_on(self) -> None:
        """Read from the socket again, although nobody took what was read before."""
        self._resume_transport_reading()

    def end_idle(self) -> None:
        """Called when the connection has waited for a next request for as long as it may."""
        super()._process_keepalive()

    def _process_keepalive(self) -> None:
        self.end_idle()


class BareServer(web.Server):
    """aiohttp's server, which asks a subclass for its connections."""

    def connection(self, **options: Any) -> BareConnection:
        """A new one with aiohttp's *options*."""
        raise NotImplementedError

    def __call__(self) -> BareConnection:
        """A protocol for a client that connects."""
        return self.connection(loop=self._loop, **self._kwargs)


class BareRunner(web.AppRunner):
    """aiohttp's runner, which asks a subclass for its server."""

    __slots__ = ()

    def server_like(self, plain: web.Server) -> web.Server:
        """The server to use in place of *plain*."""
        raise NotImplementedError

    async def _make_server(self) -> web.Server:
        return self.server_like(await super()._make_server())


def is_routed(request: web.BaseRequest) -> bool:
    """Whether *request* has come as far as to a route, or to there being none."""
    return isinstance(request, web.Request) and request._match_info is not None
