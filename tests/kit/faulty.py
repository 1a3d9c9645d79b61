"""
Model servers that go wrong as servers do, each in its own way, before or in the middle of an answer.

A fault of a server that is down (`DOWN`) breaks off what is under way, and meets every request from then on.
All else is met again by whoever asks again.
"""

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import Sequence
from typing import Self

import aiohttp.connector
import msgspec

from tests.kit.upstream_frames import Behaviour, chunked, event, frame
from worker.backends.script import DOWN, Fault, cut, expected_text

LENGTH = 60
WORDS = expected_text({"length": LENGTH})

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_PAGE = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>\n"
_PLAIN = Behaviour()
_REFUSALS = {
    "500": b"HTTP/1.1 500 Oh\r\n",
    "503": b"HTTP/1.1 503 Later\r\nRetry-After: 30\r\n",
    "429": b"HTTP/1.1 429 Slowly\r\nRetry-After: 30\r\n",
}
_LAST: dict[str, bytes] = {
    "done": event(b"[DONE]", _PLAIN),
    "garbage": event(b"%%% no chunk at all", _PLAIN),
    "error_frame": event(b'{"error":{"message":"Out of memory","type":"server_error","code":500}}', _PLAIN),
    "html": _PAGE,
    "truncated": b'data: {"choices":[{"index":0,"delta":{"content":" wat',
    "close": b"",
}

#: What it comes to where there is no other, before the first token and in mid-reply.
ALONE: dict[Fault, tuple[str, str]] = {
    "refused": ("upstream_refused", "upstream_refused"),
    "500": ("upstream_failed", "upstream_failed"),
    "503": ("upstream_failed", "upstream_failed"),
    "429": ("upstream_rate_limited", "upstream_rate_limited"),
    "tls": ("upstream_refused", "upstream_refused"),
    "silence": ("first_token_timeout", "between_tokens_timeout"),
    "reset": ("upstream_broke", "upstream_broke"),
    "close": ("upstream_failed", "upstream_broke"),
    "done": ("upstream_failed", "upstream_broke"),
    "garbage": ("upstream_invalid", "upstream_invalid"),
    "error_frame": ("upstream_failed", "upstream_failed"),
    "html": ("upstream_invalid", "upstream_broke"),
    "truncated": ("upstream_broke", "upstream_broke"),
}


class FaultyServer:
    """Says `WORDS` up to word *at*, and then has its *fault*."""

    def __init__(self, fault: Fault, at: int, certificate: ssl.SSLContext) -> None:
        self._fault = fault
        self._at = at
        self._certificate = certificate
        self._down = fault in DOWN and not at
        self._tasks: set[asyncio.Task[None]] = set()
        self._held = socket.socket()
        #: How often it was asked, as far as it heard.
        self.asked = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", backlog=1024)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"{'https' if self._fault == 'tls' else 'http'}://{host}:{port}/v1"
        if self._down and self._fault == "refused":
            self._refuse()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._held.close()
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._fault == "tls":
            if self._down:
                writer.write(b"SSH-2.0-no-TLS-here\r\n")
                return
            await writer.start_tls(self._certificate)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        body = msgspec.json.decode(await reader.readexactly(int(length[1]) if length else 0))
        self.asked += 1
        if not self._down:
            last = body["messages"][-1]
            said = len(cut(last["content"])) if last["role"] == "assistant" else 0
            words: Sequence[str] = cut(WORDS)[said : self._at]
            writer.write(_HEAD)
            for word in words:
                writer.write(chunked(frame({"content": word}, _PLAIN)))
            await writer.drain()
            if self._at:
                # What follows must not meet the words in one packet: a reset would take them along.
                await asyncio.sleep(0.05)
        await self._go_wrong(writer)

    def _refuse(self) -> None:
        """Nobody listens from now on, and nobody else is given the port."""
        address = self._server.sockets[0].getsockname()
        self._server.close()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(address)

    async def _go_wrong(self, writer: asyncio.StreamWriter) -> None:
        if self._fault in DOWN:
            if self._down:
                writer.write(_REFUSALS[self._fault] + b"Content-Length: 0\r\n\r\n")
                return
            self._down = True
            if self._fault == "refused":
                self._refuse()
            _reset(writer)
        elif self._fault == "silence":
            await asyncio.get_running_loop().create_future()
        elif self._fault == "reset":
            _reset(writer)
        else:
            if last := _LAST[self._fault]:
                writer.write(chunked(last))
            writer.write(b"0\r\n\r\n")
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def trust(certificate_file: str) -> None:
    """Have aiohttp's clients in this process trust it."""
    context = aiohttp.connector._SSL_CONTEXT_VERIFIED
    assert context is not None
    context.load_verify_locations(certificate_file)
