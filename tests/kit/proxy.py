"""A TCP proxy that breaks connections at chosen moments, as networks do."""

import asyncio
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_ID = b"\nid: "


class CuttingProxy:
    """Between a client and the server at *url*. Streams are cut in turn as `cuts` says, then left alone."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname, address.port
        #: For each stream to come: events after which it is cut; below zero, nothing of its answer comes.
        self.cuts: deque[int] = deque()
        #: Connections that were cut.
        self.done = 0
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for upstream in self._connections.values():
            upstream.close()
        await asyncio.gather(*self._connections)

    @property
    def url(self) -> str:
        """What the client is to connect to."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
        self._connections[task] = up_writer
        up = asyncio.create_task(_copy(reader, up_writer))
        await self._answer(up_reader, writer)
        del self._connections[task]
        up.cancel()
        up_writer.close()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward until this stream's cut is due: in front of an event's `id:`."""
        cut: int | None = None
        seen, last = 0, b""
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if self.cuts and self.cuts[0] < 0:
                    self.cuts.popleft()
                    self.done += 1
                    return
                # A read may begin right after the line break of an `id:`, and end inside one.
                known, data = len(last), last + data
                at = data.find(_ID)
                while at >= 0:
                    if cut is None and self.cuts:
                        cut = self.cuts.popleft()
                    if seen == cut:
                        writer.write(data[known : at + 1])
                        self.done += 1
                        return
                    seen += 1
                    at = data.find(_ID, at + 1)
                writer.write(data[known:])
                await writer.drain()
                last = next((_ID[:n] for n in range(len(_ID) - 1, 0, -1) if data.endswith(_ID[:n])), b"")


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
