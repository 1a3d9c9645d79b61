"""
Connections to one upstream: asking over them, keeping them where that is safe, cutting them off.

What goes wrong on the way to an answer's first byte is told apart here.
"""

from typing import Any

import aiohttp
from yarl import URL

from shared import tracing
from shared.failures import UpstreamBroke, UpstreamInvalid, UpstreamRefused
from shared.sockets import open_socket

_CONNECT_TIMEOUT_S = 10.0


class _Taken:
    """How a request came by its connection."""

    from_pool = False


async def _note_from_pool(_: aiohttp.ClientSession, context: Any, __: object) -> None:
    context.trace_request_ctx.from_pool = True


class Connections:
    """As many connections as there are answers under way, and those kept for the next ones."""

    def __init__(self, base: URL, headers: dict[str, str]) -> None:
        """*base* is the API's address, such as `http://host:8080/v1`."""
        self._base = base
        self._url = self._at("chat/completions")
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, body: bytes) -> aiohttp.ClientResponse:
        """POST *body* and give the answer's head. Raises `UpstreamRefused`, `-Broke` or `-Invalid`."""
        session = self._session = self._session or _open_session()
        headers = self._headers
        if (spans := tracing.spans) is not None:
            headers = {**headers, "traceparent": spans.here()}
        while True:
            taken = _Taken()
            try:
                return await session.post(
                    self._url,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    trace_request_ctx=taken,
                )
            except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError) as error:
                raise UpstreamRefused() from error
            except aiohttp.ClientResponseError as error:
                raise UpstreamInvalid() from error
            except (aiohttp.ClientError, OSError) as error:
                # llama.cpp closes after each stream without announcing it, others after some idle seconds:
                # our request may just have missed that. Each time round there is one kept connection less.
                if not taken.from_pool:
                    raise UpstreamBroke() from error

    async def look(self, path: str) -> aiohttp.ClientResponse:
        """GET what is at *path* of the API. Raises `UpstreamRefused`, `-Broke` or `-Invalid`."""
        session = self._session = self._session or _open_session()
        try:
            # Traces look for it in every request.
            return await session.get(
                self._at(path), headers=self._headers, allow_redirects=False, trace_request_ctx=_Taken()
            )
        except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError) as error:
            raise UpstreamRefused() from error
        except aiohttp.ClientResponseError as error:
            raise UpstreamInvalid() from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamBroke() from error

    def _at(self, path: str) -> URL:
        base = self._base
        return base.with_path(f"{base.path.rstrip('/')}/{path}").with_query(base.query)

    async def close(self) -> None:
        """Close them all."""
        if self._session is not None:
            await self._session.close()


def _open_session() -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(_note_from_pool)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, socket_factory=open_socket),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[trace],
    )


def cut(response: aiohttp.ClientResponse) -> None:
    """
    End the upstream's work now, unless the answer was read to its end.

    Closing alone would, over TLS, first wait for the peer's goodbye.
    """
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()
