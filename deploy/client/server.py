"""One server over one pool of connections: how requests reach it, and when its silence counts as an end."""

import logging
import os
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from .errors import HeadraceError, refusal

_logger = logging.getLogger("headrace")

#: A stream says something every heartbeat (15 s by default); this much silence is a dead connection.
_SILENCE_S = 60.0
_CONNECT_S = 10.0


def connect_reason(error: OSError) -> str:
    """Why a connection could not be made, as the system says it."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


class Server:
    """Usable between `open` and `close`."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Accept-Encoding": "identity"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._session: aiohttp.ClientSession | None = None
        self._said: set[str] = set()

    def open(self) -> None:
        """Make the pool; nothing is sent yet."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def say_once(self, level: int, message: str, detail: object = "") -> None:
        """Log *message* with its first *detail* to `headrace`, once for each server."""
        if message not in self._said:
            self._said.add(message)
            _logger.log(level, "%s: %s %s", self.url, message, detail)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        """One request with *body* as JSON, or with *data*, as `aiohttp` answers it and with its errors."""
        if self._session is None:
            raise RuntimeError("a HeadraceClient is used inside `async with`")
        return await self._session.request(
            method, self.url + path, json=body, data=data, headers=headers, allow_redirects=False
        )

    async def reach(self) -> None:
        """Return where there is an answer. Raises `HeadraceError`."""
        try:
            async with await self.request("GET", "/livez"):
                pass
        except aiohttp.ClientConnectorError as error:
            raise HeadraceError(f"nothing answers at {self.url} ({connect_reason(error)})") from error
        except (aiohttp.ClientError, OSError, TimeoutError):
            return  # something is there; a message will find out what

    def socket(
        self, path: str, query: Mapping[str, str], heartbeat_s: float
    ) -> "aiohttp.client._WSRequestContextManager":
        """A WebSocket, opened as `aiohttp` does and with its errors."""
        if self._session is None:
            raise RuntimeError("a HeadraceClient is used inside `async with`")
        return self._session.ws_connect(self.url + path, params=query, heartbeat=heartbeat_s)

    async def json(
        self, method: str, path: str, *, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """One request that is answered with an object. Raises `HeadraceError`."""
        answer = await self.read(method, path, data=data, headers=headers)
        try:
            return msgspec.json.decode(answer, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise self._unanswered(error) from error

    async def read(
        self, method: str, path: str, *, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """One request, and all that it is answered with. Raises `HeadraceError`."""
        try:
            async with await self.request(method, path, data=data, headers=headers) as response:
                if response.status >= 400:
                    raise await refusal(response)
                return await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unanswered(error) from error

    def _unanswered(self, error: Exception) -> HeadraceError:
        return HeadraceError(f"{self.url} did not answer: {error or type(error).__name__}")
