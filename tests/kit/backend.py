"""One backend by itself, against an upstream that answers or fails as told: asking it and reading it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from shared.events import Text
from shared.failures import UpstreamError
from worker.backends import Backend, Delta, Finished, Prompt
from worker.backends.script import expected_text

TEN_WORDS = expected_text({"length": 10})


def prompt(message: str = "hello", **fields: Any) -> Prompt:
    """A user's only message."""
    return Prompt(messages=[{"role": "user", "content": message}], **fields)


def script(**behaviour: Any) -> Prompt:
    """A message that tells the fake upstream how to behave."""
    return prompt("/script " + msgspec.json.encode(behaviour).decode())


class Taker:
    """Takes what it is offered into `got`, as the worker does, but for every third read, to be yielded."""

    def __init__(self) -> None:
        self.got: list[Delta] = []
        self._offers = 0

    def take(self, deltas: Sequence[Delta]) -> bool:
        """As `Take` says."""
        self._offers += 1
        if self._offers % 3 == 0:
            return False
        self.got += deltas
        return True


async def read(backend: Backend, asked: Prompt) -> list[Delta]:
    """All deltas of an answer, come the fast way or the careful one."""
    taker = Taker()
    async for deltas in backend.stream(asked, taker.take):
        taker.got += deltas
    return taker.got


async def read_until_error(backend: Backend, asked: Prompt) -> tuple[str, UpstreamError]:
    """The text of an answer that fails, and how it does."""
    taker = Taker()
    got = taker.got
    with pytest.raises(UpstreamError) as caught:
        async for deltas in backend.stream(asked, taker.take):
            got += deltas
    assert not any(isinstance(delta, Finished) for delta in got)
    return text_of(got), caught.value


def text_of(deltas: Sequence[Delta]) -> str:
    """The text in *deltas*."""
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


@asynccontextmanager
async def bare_server(writes: Sequence[bytes], pause_s: float = 0) -> AsyncIterator[str]:
    """A server that reads a request, writes this with pauses between, and closes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            for data in writes:
                writer.write(data)
                await asyncio.sleep(pause_s)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}/v1"
