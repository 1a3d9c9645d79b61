"""A small SSE client: it parses, counts and keeps everything, and can cut its connection."""

import asyncio
import json
from collections import deque
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import ClientResponse
from multidict import CIMultiDictProxy

_PATIENCE_S = 15.0


class Frame(NamedTuple):
    """One frame with data."""

    id: str | None
    data: dict[str, Any]

    @property
    def type(self) -> str:
        """`start`, `chunk`, `end`, …"""
        return str(self.data["type"])


class Reader:
    """One open stream. As an async context manager it closes the connection at the end of the block."""

    def __init__(self, response: ClientResponse) -> None:
        self._response = response
        self._buffer = b""
        #: Of the frame whose empty line has not come.
        self._id: str | None = None
        self._data: list[str] = []
        #: All bytes as they came.
        self.raw = b""
        #: Those of the log that were asked for; what came with them in one read waits. A place in the
        #: queue is no part of the log, and a busy machine may show one in any stream.
        self.frames: list[Frame] = []
        self._waiting: deque[Frame] = deque()
        self.comments: list[str] = []
        self.retries: list[int] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()

    @property
    def status(self) -> int:
        """The answer's HTTP status."""
        return self._response.status

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The answer's headers."""
        return self._response.headers

    @property
    def generation_id(self) -> str:
        """What the answer's headers call the generation."""
        return self.headers["X-Generation-Id"]

    @property
    def ids(self) -> list[str]:
        """All ids, in order."""
        return [frame.id for frame in self.frames if frame.id is not None]

    @property
    def last_id(self) -> str | None:
        """Where to go on."""
        return self.ids[-1] if self.ids else None

    @property
    def text(self) -> str:
        """The answer so far; a `reset` voids what came before."""
        return text_of(self.frames)

    @property
    def end(self) -> Frame:
        """The terminal frame. Fails when there is none, or another, or anything after it."""
        terminal = [frame for frame in self.frames if frame.type in {"end", "error"}]
        assert len(terminal) == 1, f"{len(terminal)} terminal frames: {self.frames[-3:]}"
        assert self.frames[-1] is terminal[0], f"something follows the terminal frame: {self.frames[-3:]}"
        return terminal[0]

    async def next(self, timeout_s: float = _PATIENCE_S) -> Frame | None:
        """The next frame with data; None once the stream has ended."""
        async with asyncio.timeout(timeout_s):
            while not self._waiting:
                if not await self._more():
                    return None
        frame = self._waiting.popleft()
        if frame.type != "queued":
            self.frames.append(frame)
        return frame

    async def until(self, kind: str, count: int = 1, timeout_s: float = _PATIENCE_S) -> Frame:
        """The *count*th frame of type *kind* from here. Fails when the stream ends before."""
        while frame := await self.next(timeout_s):
            if frame.type == kind:
                count -= 1
                if not count:
                    return frame
        raise AssertionError(f"the stream ended before {kind!r}: {self.frames[-3:]}")

    async def comment(self, timeout_s: float = _PATIENCE_S) -> str:
        """The next comment."""
        seen = len(self.comments)
        async with asyncio.timeout(timeout_s):
            while len(self.comments) == seen:
                assert await self._more(), "the stream ended before a comment"
        return self.comments[seen]

    async def all(self, timeout_s: float = _PATIENCE_S) -> list[Frame]:
        """Read to the stream's end; gives all its frames, but for places in the queue."""
        while await self.next(timeout_s):
            pass
        return self.frames

    def cut(self) -> None:
        """Close the connection, whatever is still to come."""
        self._response.close()

    async def _more(self) -> bool:
        data = await self._response.content.readany()
        self.raw += data
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._line(line.decode())
        return bool(data)

    def _line(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            assert self._data, "a frame without data"
            self._waiting.append(Frame(self._id, json.loads("\n".join(self._data))))
            self._id = None
            self._data.clear()
        elif not name:
            self.comments.append(value)
        elif name == "id":
            self._id = value
        elif name == "retry":
            self.retries.append(int(value))
        elif name == "data":
            self._data.append(value)
        else:
            raise AssertionError(f"no frame has a line like {line!r}")


def text_of(frames: list[Frame]) -> str:
    """The answer that *frames* give; a `reset` voids what came before."""
    text: list[str] = []
    for frame in frames:
        if frame.type == "reset":
            text.clear()
        elif frame.type == "chunk":
            text.append(frame.data["content"])
    return "".join(text)
