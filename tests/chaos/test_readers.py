"""P9: readers that read slowly, not at all, or all at once, cost bounded memory and hurt nobody else."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession

from tests.chaos.crowd import Crowd, p99
from tests.chaos.memory import only_where_counted, resident_bytes
from tests.chat_client import ChatClient, script
from tests.conftest import StartStack
from tests.eventually import eventually
from tests.program import Program
from worker.backends.script import expected_text

pytestmark = pytest.mark.long

#: Megabytes of frames in one answer: far more than all buffers on the way hold.
LENGTH = 20_000
STALLED = 20
#: What a reader that does not read may cost: its buffer, a page of the log, and what both are made of.
MOST_BYTES_A_READER = 2 * 1024**2
#: Delays below this are the machine's own.
NOISE_S = 0.1


class Lingerer:
    """A client that reads when it is told to, through a socket that takes little by itself."""

    def __init__(self, gateway: Program, path: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect(("127.0.0.1", gateway.port))
        self._socket.setblocking(False)
        self._request = f"GET {path} HTTP/1.0\r\n\r\n".encode()
        self.raw = b""

    async def ask(self) -> None:
        """Send the request."""
        await asyncio.get_running_loop().sock_sendall(self._socket, self._request)

    async def read(self, count: int) -> bytes:
        """At most *count* bytes of the answer; none at its end."""
        data = await asyncio.get_running_loop().sock_recv(self._socket, count)
        self.raw += data
        return data

    def close(self) -> None:
        """Leave."""
        self._socket.close()


@asynccontextmanager
async def lingering(gateway: Program, generation_id: str, count: int) -> AsyncIterator[list[Lingerer]]:
    """*count* readers of one generation that have asked, and read nothing."""
    path = f"/api/chat/{generation_id}/stream"
    readers = [Lingerer(gateway, path) for _ in range(count)]
    try:
        for reader in readers:
            await reader.ask()
        yield readers
    finally:
        for reader in readers:
            reader.close()


@only_where_counted
async def test_readers_that_do_not_read(own_stack: StartStack, session: ClientSession) -> None:
    """While they stall memory is bounded and others are served as before; afterwards they get everything."""
    stack = await own_stack(workers=2)
    gateway, chat = stack.gateways[0], ChatClient(session, stack.gateways[0].url)
    calm = Crowd(session, stack, 10, length=40, rate=20)
    await calm.begin()
    await calm.end()
    before = resident_bytes(gateway)
    first = await chat.send(script(length=LENGTH, rate=4000, batch=40))
    async with first, lingering(gateway, first.generation_id, STALLED) as stalled:
        others = Crowd(session, stack, 10, length=80, rate=20)
        await others.begin()
        await others.end()

        async def ended() -> bool:
            return await chat.ended(first.generation_id)

        await eventually(ended, "the long answer ends", 20)
        grown = resident_bytes(gateway) - before
        assert grown < (STALLED + 1) * MOST_BYTES_A_READER, f"{grown / 1024**2:.1f} MB"
        assert p99(others.delays()) < max(2 * p99(calm.delays()), NOISE_S)
        await first.all()
        for reader in stalled[:3]:
            while await reader.read(1024**2):
                pass
            assert last_id(reader.raw) == first.last_id
            assert reader.raw.count(b"\nid: ") == len(first.ids)
    assert first.text == expected_text({"length": LENGTH})
    print(f"{STALLED} readers that do not read: {grown / 1024**2:.1f} MB more in the gateway")


async def test_a_byte_at_a_time(own_stack: StartStack, session: ClientSession) -> None:
    """A reader of a few bytes a second gets what it takes, in order, and holds up nobody."""
    stack = await own_stack()
    chat = ChatClient(session, stack.gateways[0].url)
    first = await chat.send(script(length=LENGTH, rate=0, batch=200))
    async with first, lingering(stack.gateways[0], first.generation_id, 3) as trickling:
        for _ in range(20):
            for reader in trickling:
                await reader.read(1)
            await asyncio.sleep(0.1)
        others = Crowd(session, stack, 10, length=40, rate=20)
        await others.begin()
        await others.end()
        assert p99(others.delays()) < NOISE_S
        await first.all()
        for reader in trickling:
            while await reader.read(1024**2):
                pass
            assert reader.raw.count(b"\nid: ") == len(first.ids)


@only_where_counted
async def test_a_thousand_at_once(own_stack: StartStack, session: ClientSession) -> None:
    """A thousand readers that come back in one moment all go on, whole, in bounded time and memory."""
    stack = await own_stack()
    gateway, chat = stack.gateways[0], ChatClient(session, stack.gateways[0].url)
    options = {"length": 100, "rate": 10}
    async with await chat.send(script(**options)) as first:
        await first.until("chunk", 5)
        before = resident_bytes(gateway)
        readers = await asyncio.gather(*(chat.resume(first.generation_id, "1-3") for _ in range(1000)))
        await asyncio.gather(*(reader.until("chunk", timeout_s=20) for reader in readers))
        grown = resident_bytes(gateway) - before
        for reader in readers:
            reader.cut()
        assert {reader.ids[0] for reader in readers} == {"1-4"}
        assert grown < 1000 * 100 * 1024, f"{grown / 1024**2:.1f} MB"
        await first.all()
    assert first.text == expected_text({"length": 100})
    print(f"a thousand at once: {grown / 1024**2:.1f} MB more in the gateway")


def last_id(raw: bytes) -> str:
    """The last position in *raw*."""
    return raw[raw.rindex(b"\nid: ") + 5 :].partition(b"\n")[0].decode()
