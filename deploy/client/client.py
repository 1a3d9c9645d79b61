"""
A client of the native API, in asyncio:

    async with HeadraceClient("http://127.0.0.1:8000") as client:
        async for event in client.start("What is a headrace?"):
            if isinstance(event, Chunk):
                print(event.text, end="")

A `Reply` comes back by itself when its connection breaks; its events are in `deploy/client/events.py`.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

import aiohttp
import msgspec

from deploy.client.errors import HeadraceError, refusal
from deploy.client.reply import Reply

__all__ = ["HeadraceClient", "HeadraceError", "Reply"]

#: A stream says something every heartbeat (15 s by default); this much silence is a dead connection.
_SILENCE_S = 60.0
_CONNECT_S = 10.0


class HeadraceClient:
    """One server, over one pool of connections."""

    def __init__(self, url: str, *, api_key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Accept-Encoding": "identity"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def start(
        self,
        message: str,
        *,
        conversation_id: str | None = None,
        model: str | None = None,
        max_tokens: int | None = None,
        on_busy: Literal["reject", "interrupt", "queue"] | None = None,
        on_disconnect: Literal["continue", "cancel"] | None = None,
        idempotency_key: str | None = None,
    ) -> Reply:
        """
        The reply to *message*. It is sent on iteration; however often that is retried, it counts once.

        With an *idempotency_key* of your own that holds beyond this process: the same key and message
        give the same reply again.
        """
        given = {
            "message": message,
            "conversation_id": conversation_id,
            "model": model,
            "max_tokens": max_tokens,
            "on_busy": on_busy,
            "on_disconnect": on_disconnect,
        }
        body = {name: value for name, value in given.items() if value is not None}
        return Reply(self, body, key=idempotency_key)

    def resume(self, generation_id: str, after: str = "") -> Reply:
        """A reply that somebody else started, from the event behind *after*, else from its beginning."""
        return Reply(self, None, generation_id, after)

    async def cancel(self, generation_id: str) -> dict[str, Any]:
        """Stop a generation; the receipt says what came of it. Raises `HeadraceError`."""
        return await self._json("POST", f"/api/chat/{generation_id}/cancel")

    async def status(self, generation_id: str) -> dict[str, Any]:
        """How a generation stands, with its text so far. Raises `HeadraceError`."""
        return await self._json("GET", f"/api/chat/{generation_id}")

    async def request(
        self, method: str, path: str, *, body: object = None, headers: Mapping[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        """One request to this server, as `aiohttp` answers it."""
        if self._session is None:
            raise RuntimeError("a HeadraceClient is used inside `async with`")
        return await self._session.request(
            method, self.url + path, json=body, headers=headers, allow_redirects=False
        )

    async def _json(self, method: str, path: str) -> dict[str, Any]:
        try:
            async with await self.request(method, path) as response:
                if response.status >= 400:
                    raise await refusal(response)
                return msgspec.json.decode(await response.read(), type=dict[str, Any])
        except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError) as error:
            raise HeadraceError(f"{self.url} did not answer: {error or type(error).__name__}") from error
