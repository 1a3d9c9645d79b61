"""
The load client: streams read at the protocol's level, so that reading costs little beside what is
measured. A delta's text is the moment it was written; its delay is known as soon as it is read.
"""

import asyncio
import gc
import re
import time
from array import array
from collections.abc import Callable, Sequence
from typing import cast

import msgspec

#: A delta is a string of its own; a frame that repeats the whole text is none.
_STAMP = re.compile(rb'"(\d{20}) "')
#: Spreads starts evenly over a period, however many there are: the golden ratio.
_SPREAD = 0.6180339887498949


def script(**behaviour: object) -> str:
    """A message that tells the fake upstream how to answer it."""
    return "/script " + msgspec.json.encode(behaviour).decode()


class Stream(asyncio.Protocol):
    """One request and its answer, from a connection of its own. Moments are monotonic, in ns."""

    def __init__(self, request: bytes, *, keep: bool = False) -> None:
        self._request = request
        self._rest = b""
        self._kept = bytearray() if keep else None
        self._transport: asyncio.Transport | None = None
        self._notice: tuple[asyncio.Future[None], Callable[[], bool]] | None = None
        self.head = b""
        self.sent_ns = 0
        self.first_ns = 0
        self.last_ns = 0
        #: When the last bytes of any kind came.
        self.last_read_ns = 0
        #: From a delta's stamp to its arrival here, each delta.
        self.delays_ns = array("q")
        #: The longest silence between two deltas.
        self.longest_gap_ns = 0
        self.over = asyncio.get_running_loop().create_future()

    @property
    def ok(self) -> bool:
        """Whether it was answered with a stream."""
        return self.head.startswith(b"HTTP/1.1 200 ")

    @property
    def body(self) -> bytes:
        """All that came, if it was to be kept."""
        return bytes(self._kept or b"").partition(b"\r\n\r\n")[2]

    def header(self, name: str) -> str:
        """A header of the answer."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == name.lower().encode():
                return value.strip().decode()
        raise KeyError(name)

    def close(self) -> None:
        """Leave, as a client does."""
        if self._transport is not None:
            self._transport.abort()

    async def until(self, arrived: Callable[[], bool], timeout_s: float = 60) -> None:
        """Wait until *arrived* holds, looked at with each read, or the stream is over."""
        if not arrived() and not self.over.done():
            self._notice = (asyncio.get_running_loop().create_future(), arrived)
            await asyncio.wait_for(self._notice[0], timeout_s)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask at once."""
        # uvloop's transports are of no asyncio class.
        self._transport = cast(asyncio.Transport, transport)
        self.sent_ns = time.monotonic_ns()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take the stamps out of *data*. One is never cut by a line end, so whole lines are enough."""
        now = self.last_read_ns = time.monotonic_ns()
        if not self.head:
            self.head = data.partition(b"\r\n\r\n")[0]
        if self._kept is not None:
            self._kept += data
        if self._rest:
            data = self._rest + data
        if data[-1] == 0x0A:
            self._rest = b""
        else:
            data, _, self._rest = data.rpartition(b"\n")
        stamps = _STAMP.findall(data)
        if stamps:
            if not self.first_ns:
                self.first_ns = self.last_ns = now
            elif now - self.last_ns > self.longest_gap_ns:
                self.longest_gap_ns = now - self.last_ns
            self.last_ns = now
            for stamp in stamps:
                self.delays_ns.append(now - int(stamp))
        if self._notice is not None and self._notice[1]():
            self._tell()

    def connection_lost(self, error: Exception | None) -> None:
        """The answer is over: every request asks for its connection to be closed after it."""
        if not self.over.done():
            self.over.set_result(None)
        if self._notice is not None:
            self._tell()

    def _tell(self) -> None:
        if self._notice is not None and not self._notice[0].done():
            self._notice[0].set_result(None)
        self._notice = None


async def open_stream(port: int, request: bytes, *, keep: bool = False) -> Stream:
    """Connect and ask."""
    loop = asyncio.get_running_loop()
    _, stream = await loop.create_connection(lambda: Stream(request, keep=keep), "127.0.0.1", port)
    return stream


async def open_streams(
    port: int, requests: Sequence[bytes], ramp_s: float, period_s: float, *, keep: bool = False
) -> list[Stream]:
    """Start them over *ramp_s*, their beats spread over the whole *period_s* of a delta."""
    loop = asyncio.get_running_loop()
    starts = sorted(
        period_s * (int(ramp_s * n / len(requests) / period_s) + n * _SPREAD % 1)
        for n in range(len(requests))
    )
    began = loop.time()
    opening: list[asyncio.Task[Stream]] = []
    for start, request in zip(starts, requests, strict=True):
        await asyncio.sleep(max(0.0, began + start - loop.time()))
        opening.append(asyncio.create_task(open_stream(port, request, keep=keep)))
    return await asyncio.gather(*opening)


async def run_streams(
    port: int, requests: Sequence[bytes], *, ramp_s: float, period_s: float, timeout_s: float
) -> list[Stream]:
    """All *requests* to their ends; what has not ended after *timeout_s* is left."""
    gc.collect()
    gc.disable()
    try:
        streams = await open_streams(port, requests, ramp_s, period_s)
        await asyncio.wait([stream.over for stream in streams], timeout=timeout_s)
    finally:
        gc.enable()
    for stream in streams:
        stream.close()
    return streams


def post(path: str, body: object, key: str | None = None) -> bytes:
    """A request with a JSON body, on a connection of its own, and a *key* if there is one."""
    content = msgspec.json.encode(body)
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{authorization}"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    ).encode() + content


def get(path: str) -> bytes:
    """A request without a body, on a connection of its own."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
