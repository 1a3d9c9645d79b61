"""HTTP byte by byte: what a client library would never send, and what really comes back on the connection."""

import asyncio
import json
from types import TracebackType
from typing import Any, NamedTuple, Self

from multidict import CIMultiDict

_WAIT_S = 8.0


class WireAnswer(NamedTuple):
    """One answer as it was sent."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """Its error, in our shape or OpenAI's. Fails when it is none, or lacks what every answer has."""
        assert self.status >= 400, self
        assert self.headers["Content-Type"].startswith("application/json"), self
        assert self.headers.getall("X-Request-Id", [])[0].startswith("req_"), self
        answer = json.loads(self.body)
        assert set(answer) == {"error"}, self
        error: dict[str, Any] = answer["error"]
        assert error["code"] and error["message"], self
        return error

    @property
    def closes(self) -> bool:
        """It says that nothing else will be read on its connection."""
        return self.headers.get("Connection", "").lower() == "close"


class Wire:
    """One connection to *port*, from *source*; used as `async with Wire(port) as wire`."""

    def __init__(self, port: int, source: str | None = None) -> None:
        self._port, self._source = port, source
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        local = None if self._source is None else (self._source, 0)
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=local)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._writer is not None
        self._writer.close()

    def send(self, data: bytes) -> None:
        """Without waiting."""
        assert self._writer is not None
        self._writer.write(data)

    async def ask(
        self, method: str, path: str, *headers: str, body: bytes = b"", host: str | None = None
    ) -> WireAnswer:
        """A whole request as it should be, and its answer."""
        host = f"127.0.0.1:{self._port}" if host is None else host
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode() + body)
        return await self.answer(head=method == "HEAD")

    async def answer(self, *, head: bool = False) -> WireAnswer:
        """The next answer. Fails when there is none in time, or the connection ends before its end."""
        assert self._reader is not None
        async with asyncio.timeout(_WAIT_S):
            while True:
                lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                status = int(lines[0].split()[1])
                if status != 100:
                    break
            headers: CIMultiDict[str] = CIMultiDict()
            for line in filter(None, lines[1:]):
                name, _, value = line.partition(": ")
                headers.add(name, value)
            body = b""
            if head or status in (204, 304):
                pass
            elif headers.get("Transfer-Encoding") == "chunked":
                while size := int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16):
                    body += (await self._reader.readexactly(size + 2))[:-2]
                await self._reader.readuntil(b"\r\n")
            else:
                body = await self._reader.readexactly(int(headers.get("Content-Length", "0")))
            return WireAnswer(status, headers, body)

    async def lines(self, count: int) -> bytes:
        """The next lines as they come."""
        assert self._reader is not None
        return b"".join([await self._reader.readline() for _ in range(count)])

    async def rest(self, timeout_s: float = _WAIT_S) -> bytes:
        """What still comes until the other side has closed. Fails when it does not in time."""
        assert self._reader is not None
        try:
            async with asyncio.timeout(timeout_s):
                return await self._reader.read()
        except ConnectionResetError:
            return b""
