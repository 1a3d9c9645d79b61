"""A client of HTTP/2 over TLS, as browsers are: many streams on one connection, each reset by itself."""

import asyncio
import json
import ssl
from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from multidict import CIMultiDict

_WAIT_S = 15.0


class Http2Answer:
    """An answer as `Reader` and `ChatClient` read it: `status`, `headers`, `content`, `read`, `close`."""

    def __init__(self, connection: "Http2", stream_id: int) -> None:
        self.status = 0
        self.headers: CIMultiDict[str] = CIMultiDict()
        #: Why the stream was reset, or the connection lost.
        self.broken: str | None = None
        self._connection, self._stream_id = connection, stream_id
        self._data = b""
        self._ended = False
        self._changed = asyncio.Event()

    @property
    def content(self) -> Self:
        """Itself."""
        return self

    @property
    def content_type(self) -> str:
        """Without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0]

    async def readany(self) -> bytes:
        """What has come; waits where nothing has. Nothing once the stream has ended in order."""
        await self._until(lambda: bool(self._data) or self._ended)
        data, self._data = self._data, b""
        return data

    async def read(self) -> bytes:
        """The whole body."""
        await self._until(lambda: self._ended)
        data, self._data = self._data, b""
        return data

    def close(self) -> None:
        """Reset the stream, unless it has ended; the connection stays."""
        if not (self._ended or self.broken):
            self._connection.reset(self._stream_id)

    async def begun(self) -> None:
        """Returns once it has a status."""
        await self._until(lambda: bool(self.status))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def take(self, event: object) -> None:
        """One of its events."""
        match event:
            case ResponseReceived(headers=headers):
                for name, value in headers or ():
                    if name == b":status":
                        self.status = int(value)
                    else:
                        self.headers.add(name.decode(), value.decode())
            case DataReceived(data=data):
                self._data += data or b""
            case StreamEnded():
                self._ended = True
            case StreamReset(error_code=code):
                self.broken = f"the stream was reset: {code}"
            case str(why):
                self.broken = why
        self._changed.set()

    async def _until(self, holds: Any) -> None:
        async with asyncio.timeout(_WAIT_S):
            while not holds():
                if self.broken:
                    raise ConnectionError(self.broken)
                self._changed.clear()
                await self._changed.wait()


class _Asked:
    """A request that is being made: awaited, or used as `async with`."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self._entered: Http2Answer | None = None

    def __await__(self) -> Generator[Any, None, Http2Answer]:
        answer: Generator[Any, None, Http2Answer] = self._answer.__await__()
        return answer

    async def __aenter__(self) -> Http2Answer:
        self._entered = await self
        return self._entered

    async def __aexit__(self, *_: object) -> None:
        assert self._entered is not None
        self._entered.close()


class Http2:
    """One connection to *port* of this machine, from *source*; `request` is that of aiohttp's session."""

    def __init__(self, port: int, ca: Path, source: str | None = None) -> None:
        self._port, self._source = port, source
        self._tls = ssl.create_default_context(cafile=ca)
        self._tls.set_alpn_protocols(["h2"])
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._answers: dict[int, Http2Answer] = {}
        self._room = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        reader, self._writer = await asyncio.open_connection(
            "127.0.0.1",
            self._port,
            ssl=self._tls,
            server_hostname="localhost",
            local_addr=None if self._source is None else (self._source, 0),
        )
        tls: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        assert tls.selected_alpn_protocol() == "h2"
        self._h2.initiate_connection()
        self._flush()
        self._reading = asyncio.create_task(self._read(reader))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        assert self._reading is not None
        await asyncio.wait([self._reading])

    def cut(self) -> None:
        """Lose the connection with all its streams, without a word."""
        assert self._writer is not None
        self._writer.transport.abort()

    def request(
        self, method: str, url: str, *, headers: Any = None, json: Any = None, data: bytes | None = None
    ) -> _Asked:
        """Ask; of *url* its path and query count."""
        return _Asked(self._ask(method, url, dict(headers or {}), json, data))

    def reset(self, stream_id: int) -> None:
        """Give up one stream."""
        assert self._writer is not None
        if not self._writer.is_closing():
            self._h2.reset_stream(stream_id, ErrorCodes.CANCEL)
            self._flush()

    async def _ask(
        self, method: str, url: str, headers: dict[str, str], said: Any, data: bytes | None
    ) -> Http2Answer:
        if said is not None:
            data = json.dumps(said).encode()
            headers = {"content-type": "application/json", **headers}
        address = urlsplit(url)
        path = f"{address.path or '/'}{'?' * bool(address.query)}{address.query}"
        head = [(":method", method), (":scheme", "https"), (":path", path)]
        head.append((":authority", f"localhost:{self._port}"))
        head += [(name.lower(), value) for name, value in headers.items()]
        stream_id = self._h2.get_next_available_stream_id()
        answer = self._answers[stream_id] = Http2Answer(self, stream_id)
        self._h2.send_headers(stream_id, head, end_stream=data is None)
        self._flush()
        try:
            if data is not None:
                await self._send(stream_id, data, answer)
            await answer.begun()
        except asyncio.CancelledError:
            answer.close()
            raise
        return answer

    async def _send(self, stream_id: int, data: bytes, answer: Http2Answer) -> None:
        async with asyncio.timeout(_WAIT_S):
            while not (answer.status or answer.broken):
                size = min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size)
                if not size and data:
                    self._room.clear()
                    await self._room.wait()
                    continue
                piece, data = data[:size], data[size:]
                self._h2.send_data(stream_id, piece, end_stream=not data)
                self._flush()
                if not data:
                    return

    async def _read(self, reader: asyncio.StreamReader) -> None:
        why = "the connection was lost"
        try:
            while received := await reader.read(65536):
                for event in self._h2.receive_data(received):
                    if isinstance(event, ConnectionTerminated):
                        why = f"the server goes away: {event.error_code}"
                        break
                    if isinstance(event, DataReceived) and event.flow_controlled_length:
                        self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)
                    if (answer := self._answers.get(getattr(event, "stream_id", 0) or 0)) is not None:
                        answer.take(event)
                    self._room.set()
                self._flush()
        except OSError:
            pass  # cut, by us or by the other side
        for answer in self._answers.values():
            answer.take(why)

    def _flush(self) -> None:
        assert self._writer is not None
        if (data := self._h2.data_to_send()) and not self._writer.is_closing():
            self._writer.write(data)
