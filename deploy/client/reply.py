"""
A reply outlives its connections: when one breaks, the next resumes after the last event, so whoever
iterates over it gets every event once, in order. Events that this client does not know, or cannot read,
are skipped; an end among them is missed, and raises.
"""

import asyncio
import logging
import random
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from .errors import HeadraceError, refusal
from .events import Chunk, Ended, Event, Failed, Interrupted, Reset, Started, parse
from .server import Server, connect_reason
from .sse import Frame, FrameTooLarge, SSEParser

#: Connections that may fail in a row before a reply is given up that the server has accepted …
_MAX_FAILURES = 10
#: … and before one is that it has not: then nothing is lost by saying so soon.
_MAX_FAILURES_TO_START = 4
_RETRY_S = 0.5
_MAX_RETRY_S = 15.0
#: A stream's end for this reader alone: the reply has not failed, and goes on.
_ACCESS_ENDED = "access_ended"
#: Statuses after which the same request may succeed.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class Reply:
    """
    One reply, iterated over once: its events, with `Interrupted` between two connections.

    Ends after `Ended` or `Failed`. Raises `HeadraceError` when the server refuses or stays away.
    """

    def __init__(
        self,
        server: Server,
        body: dict[str, Any] | None,
        generation_id: str | None = None,
        after: str = "",
        key: str | None = None,
    ) -> None:
        self._server = server
        self._body = body
        self._key = key or uuid.uuid4().hex
        self._retry_s = _RETRY_S
        self._failures = 0
        self._known = asyncio.Event()
        self.generation_id = generation_id
        self.conversation_id: str | None = None
        #: The last event's place in the log.
        self.position = self._resumed_after = after
        if generation_id is not None:
            self._known.set()

    async def accepted(self) -> None:
        """Return once the server has accepted it, and `generation_id` is known."""
        await self._known.wait()

    async def cancel(self) -> dict[str, Any]:
        """Stop it as soon as the server has accepted it; its events then end. Raises `HeadraceError`."""
        await self.accepted()
        return await self._server.json("POST", f"/api/chat/{self.generation_id}/cancel")

    async def text(self) -> str:
        """Iterate to the end, and give the whole answer. Raises `HeadraceError` also when it failed."""
        pieces: list[str] = []
        async for event in self:
            match event:
                case Chunk():
                    pieces.append(event.text)
                case Reset():
                    pieces.clear()
                case Failed():
                    raise HeadraceError(event.message, code=event.code)
        return "".join(pieces)

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
                        if self.position != self._resumed_after:
                            hopeless = True
                            raise HeadraceError("the reply's end could not be read", code="invalid_frame")
                        return
                    self._accepted(response)
                    async for event in self._events(response):
                        if isinstance(event, Failed) and event.code == _ACCESS_ENDED:
                            hopeless = True
                            raise HeadraceError(event.message, code=event.code, status=401)
                        yield event
                        if isinstance(event, Ended | Failed):
                            return
                failure = HeadraceError("the connection ended")
            except HeadraceError as error:
                failure = error
            except FrameTooLarge as error:
                raise HeadraceError(str(error), code="invalid_frame") from error
            except aiohttp.ClientConnectorError as error:
                failure = HeadraceError(f"cannot reach {self._server.url}: {connect_reason(error)}")
            except TimeoutError:
                failure = HeadraceError(f"{self._server.url} is silent")
            except (aiohttp.ClientError, OSError):
                failure = HeadraceError("the connection broke")
            self._failures += 1
            most = _MAX_FAILURES if self._known.is_set() else _MAX_FAILURES_TO_START
            if hopeless or self._failures >= most:
                raise failure
            # Jittered, lest all readers whom a server told the same return at once.
            delay_s = max(self._delay_s(), retry_after_s) * random.uniform(1.0, 1.3)
            yield Interrupted(str(failure), delay_s)
            await asyncio.sleep(delay_s)

    async def _connect(self) -> aiohttp.ClientResponse:
        if self.generation_id is None:
            headers = {"Idempotency-Key": self._key}
            return await self._server.request("POST", "/api/chat/stream", body=self._body, headers=headers)
        headers = {"Last-Event-ID": self.position} if self.position else {}
        return await self._server.request("GET", f"/api/chat/{self.generation_id}/stream", headers=headers)

    def _accepted(self, response: aiohttp.ClientResponse) -> None:
        self.generation_id = response.headers.get("X-Generation-Id", self.generation_id)
        self.conversation_id = response.headers.get("X-Conversation-Id", self.conversation_id)
        if self.generation_id is not None:
            self._known.set()

    async def _events(self, response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
        parser = SSEParser()
        async for data in response.content.iter_any():
            for frame in parser.feed(data):
                event = self._read(frame)
                if frame.id and frame.id != self.position:
                    self.position = frame.id
                    self._failures = 0
                if isinstance(event, Started):
                    self.conversation_id = event.conversation_id
                if event is not None:
                    yield event
            if parser.retry_ms is not None:
                self._retry_s = parser.retry_ms / 1000

    def _read(self, frame: Frame) -> Event | None:
        try:
            event = parse(frame.data, frame.id or None)
        except ValueError as error:
            self._server.say_once(logging.WARNING, "skipped what cannot be read:", error)
            return None
        if event is None:
            self._server.say_once(logging.DEBUG, "skipped an event that came after this client,", frame.id)
        return event

    def _delay_s(self) -> float:
        """The server's own delay, doubled with each failure."""
        return min(self._retry_s * 2.0 ** max(0, self._failures - 1), max(_MAX_RETRY_S, self._retry_s))


def _seconds(header: str | None) -> float:
    return min(float(header), 60.0) if header and header.isdecimal() else 0.0
