"""
A client of the native API. A `Reply` outlives its connections: when one breaks, the next goes on
behind the last event, so whoever iterates over it gets every event once, in order.
"""

import asyncio
import os
import random
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

import aiohttp
import msgspec

from deploy import replies
from deploy.replies import Ended, Event, Failed, Interrupted, Started
from deploy.sse import FrameTooLarge, SSEParser

#: Connections that may fail in a row before a reply is given up that the server has accepted …
_MAX_FAILURES = 10
#: … and before one is that it has not: then nothing is lost by saying so soon.
_MAX_FAILURES_TO_START = 4
_RETRY_S = 0.5
_MAX_RETRY_S = 15.0
#: A stream says something every heartbeat (15 s by default); this much silence is a dead connection.
_SILENCE_S = 60.0
_CONNECT_S = 10.0
#: Statuses after which the same request may succeed.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class HeadraceError(Exception):
    """The server refused, or could not be reached for too long; `code` is its own word for why."""

    def __init__(self, message: str, *, code: str = "unreachable", status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


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
        on_busy: str | None = None,
    ) -> "Reply":
        """The reply to *message*. It is sent on iteration; however often that is retried, it counts once."""
        given = {
            "message": message,
            "conversation_id": conversation_id,
            "model": model,
            "max_tokens": max_tokens,
            "on_busy": on_busy,
        }
        return Reply(self, {name: value for name, value in given.items() if value is not None})

    def resume(self, generation_id: str, after: str = "") -> "Reply":
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


class Reply:
    """
    One reply, iterated over once: its events, with `Interrupted` between two connections.

    Ends behind `Ended` or `Failed`. Raises `HeadraceError` when the server refuses or stays away.
    """

    def __init__(
        self,
        client: HeadraceClient,
        body: dict[str, Any] | None,
        generation_id: str | None = None,
        after: str = "",
    ) -> None:
        self._client = client
        self._body = body
        self._key = uuid.uuid4().hex
        self._retry_s = _RETRY_S
        self._failures = 0
        self._known = asyncio.Event()
        self.generation_id = generation_id
        self.conversation_id: str | None = None
        #: The last event's place in the log.
        self.position = after
        if generation_id is not None:
            self._known.set()

    async def accepted(self) -> None:
        """Return once the server has accepted it, and `generation_id` is known."""
        await self._known.wait()

    async def cancel(self) -> dict[str, Any]:
        """Stop it as soon as the server has accepted it; its events then end. Raises `HeadraceError`."""
        await self.accepted()
        return await self._client.cancel(self.generation_id or "")

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            retry_after_s, hopeless = 0.0, False
            try:
                async with await self._connect() as response:
                    if response.status in _PASSING:
                        retry_after_s = _seconds(response.headers.get("Retry-After"))
                        raise await refusal(response)
                    if response.status >= 400:
                        hopeless = True
                        raise await refusal(response)
                    if response.status == 204:
                        return
                    self._accepted(response)
                    async for event in self._events(response):
                        yield event
                        if isinstance(event, Ended | Failed):
                            return
                failure = HeadraceError("the connection ended")
            except HeadraceError as error:
                failure = error
            except (FrameTooLarge, ValueError) as error:
                raise HeadraceError(str(error), code="invalid_frame") from error
            except aiohttp.ClientConnectorError as error:
                failure = HeadraceError(f"cannot reach {self._client.url}: {_reason(error)}")
            except TimeoutError:
                failure = HeadraceError(f"{self._client.url} is silent")
            except (aiohttp.ClientError, OSError):
                failure = HeadraceError("the connection broke")
            self._failures += 1
            most = _MAX_FAILURES if self._known.is_set() else _MAX_FAILURES_TO_START
            if hopeless or self._failures >= most:
                raise failure
            delay_s = max(self._delay_s(), retry_after_s)
            yield Interrupted(str(failure), delay_s)
            await asyncio.sleep(delay_s)

    async def _connect(self) -> aiohttp.ClientResponse:
        if self.generation_id is None:
            headers = {"Idempotency-Key": self._key}
            return await self._client.request("POST", "/api/chat/stream", body=self._body, headers=headers)
        headers = {"Last-Event-ID": self.position} if self.position else {}
        return await self._client.request("GET", f"/api/chat/{self.generation_id}/stream", headers=headers)

    def _accepted(self, response: aiohttp.ClientResponse) -> None:
        self.generation_id = response.headers.get("X-Generation-Id", self.generation_id)
        self.conversation_id = response.headers.get("X-Conversation-Id", self.conversation_id)
        if self.generation_id is not None:
            self._known.set()

    async def _events(self, response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
        parser = SSEParser()
        async for data in response.content.iter_any():
            for frame in parser.feed(data):
                event = replies.parse(frame.data, frame.id or None)
                if frame.id and frame.id != self.position:
                    self.position = frame.id
                    self._failures = 0
                if isinstance(event, Started):
                    self.conversation_id = event.conversation_id
                if event is not None:
                    yield event
            if parser.retry_ms is not None:
                self._retry_s = parser.retry_ms / 1000

    def _delay_s(self) -> float:
        """The server's own delay, doubled with each failure; jittered, lest all readers return at once."""
        delay_s = min(self._retry_s * 2.0 ** max(0, self._failures - 1), max(_MAX_RETRY_S, self._retry_s))
        return delay_s * random.uniform(1.0, 1.3)


async def refusal(response: aiohttp.ClientResponse) -> HeadraceError:
    """The error that an answer of 400 or above describes."""
    code, message = "http_error", f"the server answered {response.status}"
    try:
        error = msgspec.json.decode(await response.content.read(64 * 1024))["error"]
        code, message = str(error["code"]), str(error["message"])
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError, KeyError, TypeError):
        pass
    return HeadraceError(message, code=code, status=response.status)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


def _seconds(header: str | None) -> float:
    return min(float(header), 60.0) if header and header.isdecimal() else 0.0
