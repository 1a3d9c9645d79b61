"""A reader as clients are meant to be: it comes back with its last id, at any gateway, until the end."""

import asyncio
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout

from tests.kit.eventually import eventually

_PAUSE_S = 0.1
#: A connection that says nothing for this long is given up; heartbeats come more often.
_SILENCE_S = 20.0

_decode = msgspec.json.decode


class Follower:
    """
    Submits one message under an Idempotency-Key, and reads its answer to the terminal event.

    *urls* gives the gateways that may be asked, the first choice first.
    """

    def __init__(self, session: ClientSession, urls: Callable[[], list[str]], body: dict[str, Any]) -> None:
        self._session = session
        self._urls = urls
        self.body = body
        self._key = uuid.uuid4().hex
        self.generation_id = ""
        #: Positions of all events, in the order they came.
        self.ids: list[str] = []
        self._said: list[str] = []
        #: The frame of each terminal event.
        self.terminals: list[dict[str, Any]] = []
        #: When each chunk came, by the monotonic clock.
        self.chunk_times: list[float] = []
        #: For each chunk, seconds from the event's time to the reader.
        self.delays: list[float] = []
        self.resets = 0
        #: Connections that broke before the end, and answers that were refused.
        self.breaks = 0
        self.refusals: list[int] = []
        self.comments = 0

    @property
    def text(self) -> str:
        """The answer so far; a `reset` voids what came before."""
        return "".join(self._said)

    @property
    def code(self) -> str:
        """The terminal's `finish_reason`, or its error's code."""
        metadata = self.terminals[-1]["metadata"]
        return str(metadata.get("code") or metadata["finish_reason"])

    async def follow(self) -> None:
        """Read to the terminal event, through whatever happens."""
        while not self.terminals:
            for url in self._urls():
                try:
                    await self._connect(url)
                except (ClientError, OSError, TimeoutError):
                    self.breaks += 1
                if self.terminals:
                    return
            await asyncio.sleep(_PAUSE_S)

    async def begin(self, chunks: int = 3) -> "asyncio.Task[None]":
        """Follow in a task of its own; returns once *chunks* have come."""
        task = asyncio.create_task(self.follow())
        await eventually(lambda: len(self.chunk_times) >= chunks or task.done(), "chunks come", 20)
        return task

    def longest_silence(self, since: float) -> float:
        """Seconds from *since* to the first chunk after it; 0 where none was still to come."""
        return next((at - since for at in self.chunk_times if at > since), 0.0)

    async def _connect(self, url: str) -> None:
        timeout = ClientTimeout(total=None, sock_connect=5, sock_read=_SILENCE_S)
        if not self.generation_id:
            headers = {"Idempotency-Key": self._key}
            request = self._session.post(
                f"{url}/api/chat/stream", json=self.body, headers=headers, timeout=timeout
            )
        else:
            headers = {"Last-Event-ID": self.ids[-1]} if self.ids else {}
            request = self._session.get(
                f"{url}/api/chat/{self.generation_id}/stream", headers=headers, timeout=timeout
            )
        async with request as response:
            if response.status != 200:
                self.refusals.append(response.status)
                return
            self.generation_id = response.headers["X-Generation-Id"]
            await self._read(response)

    async def _read(self, response: ClientResponse) -> None:
        buffer, position, data = b"", "", b""
        while read := await response.content.readany():
            *lines, buffer = (buffer + read).split(b"\n")
            now = time.monotonic()
            for line in lines:
                if line.startswith(b":"):
                    self.comments += 1
                elif line.startswith(b"id: "):
                    position = line[4:].decode()
                elif line.startswith(b"data: "):
                    data = line[6:]
                elif not line and data:
                    self._take(position, data, now)
                    position, data = "", b""

    def _take(self, position: str, data: bytes, now: float) -> None:
        frame = _decode(data)
        if not position:
            return
        self.ids.append(position)
        match frame["type"]:
            case "chunk":
                self._said.append(frame["content"])
                self.chunk_times.append(now)
                self.delays.append(time.time() - datetime.fromisoformat(frame["timestamp"]).timestamp())
            case "reset":
                self._said.clear()
                self.resets += 1
            case "end" | "error":
                self.terminals.append(frame)
