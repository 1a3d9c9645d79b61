"""P9: readers that read slowly, not at all, or all at once, cost bounded memory and hurt nobody else."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout

from tests.chaos.crowd import Crowd, p99
from tests.chaos.memory import only_where_counted, resident_bytes
from tests.chaos.vanishing import ask, vanish
from tests.conftest import StartStack
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.program import Program
from tests.kit.stack import Stack
from worker.backends.script import expected_text

pytestmark = pytest.mark.long

#: Megabytes of frames in one answer: far more than all buffers on the way hold.
LENGTH = 20_000
STALLED = 20
#: What a reader that does not read may cost: its buffer, a page of the log, and what both are made of.
MOST_BYTES_A_READER = 2 * 1024**2
#: Who waits no longer than this is not held up, on a machine that is busy with as much again.
MOST_BESIDE_S = 2.0
#: Undisturbed delays below this are as good as none: a busy machine alone gives more.
NOISE_S = 0.02
#: The same for the second in which a thousand requests come, each of which takes the gateway some time.
CROWDED_S = 0.05
MINUTE_S = 60.0
#: The bound of `shared/sockets.py`, a look at who listens, the grace, and a busy machine.
VANISHED_WITHIN_S = 45.0
THOUSAND = 1000


async def test_a_reader_whose_network_vanishes(own_stack: StartStack, session: ClientSession) -> None:
    """Its connection is noticed within 30 s, and what runs for it alone is stopped, upstream and all."""
    stack = await own_stack(abandon_grace_s=1)
    gateway = stack.gateways[0]
    chat = ChatClient(session, gateway.url)
    reader = await chat.send(script(length=10_000, rate=20), on_disconnect="cancel")
    silent = await chat.send(script(length=3, stall_after=1), on_disconnect="cancel")
    connections = [ask(gateway.port, f"/api/chat/{r.generation_id}/stream") for r in (reader, silent)]
    for connection, its in zip(connections, (reader, silent), strict=True):
        assert b"200 OK" in connection.recv(4096)
        its.cut()
        vanish(connection)
    vanished = time.monotonic()
    for its in (reader, silent):
        await eventually(partial(chat.ended, its.generation_id), "it is stopped", VANISHED_WITHIN_S)
    print(f"noticed after {time.monotonic() - vanished:.1f} s")
    for connection in connections:
        connection.close()


class Lingerer:
    """A client that reads when it is told to, through a socket that takes little by itself."""

    def __init__(self, gateway: Program, path: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect(("127.0.0.1", gateway.port))
        self._socket.setblocking(False)
        self._request = f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode()
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


@pytest.fixture
async def patient() -> AsyncIterator[ClientSession]:
    """A client that sets no time limit."""
    async with ClientSession(timeout=ClientTimeout(total=None)) as session:
        yield session


@only_where_counted
async def test_readers_that_do_not_read(own_stack: StartStack, session: ClientSession) -> None:
    """While they stall memory is bounded and others go on; afterwards they get everything."""
    stack = await own_stack(workers=2)
    gateway, chat = stack.gateways[0], ChatClient(session, stack.gateways[0].url)
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
        # `test_a_minute` measures how much later; this may run beside anything.
        assert p99(others.delays()) < MOST_BESIDE_S
        await first.all()
        for reader in stalled[:3]:
            while await reader.read(1024**2):
                pass
            assert last_id(reader.raw) == first.last_id
            assert reader.raw.count(b"\nid: ") == len(first.ids)
    assert first.text == expected_text({"length": LENGTH})
    print(f"{STALLED} readers that do not read: {grown / 1024**2:.1f} MB more in the gateway")


@only_where_counted
@pytest.mark.timing
@pytest.mark.timeout(180)
async def test_a_minute(own_stack: StartStack, session: ClientSession, patient: ClientSession) -> None:
    """
    For a minute some readers stop reading and some take a byte a second, of an answer that grows.

    Memory is bounded and the others' p99 delay within twice what it is before and after, beside another
    answer that grows as fast; then the slow ones get everything.
    """
    stack = await own_stack(workers=2)
    gateway, chat = stack.gateways[0], ChatClient(patient, stack.gateways[0].url)
    growing = {"length": LENGTH, "rate": LENGTH / MINUTE_S, "batch": 20}
    undisturbed = await beside_an_answer(stack, session, {**growing, "length": LENGTH // 4})
    before = resident_bytes(gateway)
    first = await chat.send(script(**growing))
    async with first, lingering(gateway, first.generation_id, 2 * STALLED) as slow:
        for reader in slow:
            await reader.read(1000)
        others = Crowd(session, stack, 10, length=int(MINUTE_S * 20), rate=20)
        await others.begin()
        grown = 0
        while not all(follower.terminals for follower in others.followers):
            for reader in slow[STALLED:]:
                await reader.read(1)
            grown = max(grown, resident_bytes(gateway) - before)
            await asyncio.sleep(1)
        await others.end()
        await first.all(MINUTE_S)
        for reader in slow[::STALLED] + slow[-2:]:
            while await reader.read(1024**2):
                pass
            assert reader.raw.count(b"\nid: ") == len(first.ids)
            assert last_id(reader.raw) == first.last_id
    undisturbed += await beside_an_answer(stack, session, {**growing, "length": LENGTH // 4})
    usual, disturbed = p99(sorted(undisturbed)), p99(others.delays())
    print(
        f"{2 * STALLED} slow readers for a minute: {grown / 1024**2:.1f} MB more in the gateway; "
        f"the others' delay p99 {disturbed * 1000:.1f} ms, undisturbed {usual * 1000:.1f} ms"
    )
    assert grown < (2 * STALLED + 1) * MOST_BYTES_A_READER, f"{grown / 1024**2:.1f} MB"
    assert disturbed < 2 * max(usual, NOISE_S)


@only_where_counted
@pytest.mark.timing
@pytest.mark.timeout(120)
async def test_a_thousand_at_once(
    own_stack: StartStack, session: ClientSession, patient: ClientSession
) -> None:
    """A thousand readers that come back in one moment all go on; others hardly notice, memory is bounded."""
    stack = await own_stack()
    gateway, chat = stack.gateways[0], ChatClient(patient, stack.gateways[0].url)
    options = {"length": 80, "rate": 2}
    firsts = await asyncio.gather(*(chat.send(script(**options)) for _ in range(THOUSAND // 20)))
    async with AsyncExitStack() as entered:
        for first in firsts:
            await first.until("chunk", 5)
            await entered.enter_async_context(first)
        calm = await crowd_of(stack, session, 10)
        before = resident_bytes(gateway)
        others = Crowd(session, stack, 10, length=200, rate=20)
        await others.begin()
        began = time.monotonic()
        # In a thread: what the crowd itself takes of this process is no delay of the gateway's.
        ids = [first.generation_id for first in firsts]
        raws = await asyncio.to_thread(
            come_back, gateway, [ids[i % len(ids)] for i in range(THOUSAND)], "1-3"
        )
        assert {first_id(raw) for raw in raws} == {"1-4"}
        took_s = time.monotonic() - began
        grown = resident_bytes(gateway) - before
        await others.end()
    usual, disturbed = p99(calm), p99(others.delays())
    print(
        f"a thousand at once: served in {took_s:.2f} s, {grown / 1024**2:.1f} MB more in the gateway; "
        f"the others' delay p99 {disturbed * 1000:.1f} ms, undisturbed {usual * 1000:.1f} ms, "
        f"most {others.delays()[-1] * 1000:.0f} ms"
    )
    assert grown < THOUSAND * 100 * 1024, f"{grown / 1024**2:.1f} MB"
    assert disturbed < 2 * max(usual, CROWDED_S)


def come_back(gateway: Program, generation_ids: list[str], after: str) -> list[bytes]:
    """A reader of each, all in one moment; gives what each has got once it has a chunk. Blocks."""
    raws = []
    with ExitStack() as entered:
        connections = [
            entered.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=30))
            for _ in generation_ids
        ]
        for connection, generation_id in zip(connections, generation_ids, strict=True):
            path = f"/api/chat/{generation_id}/stream"
            head = f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nLast-Event-ID: {after}\r\n\r\n"
            connection.sendall(head.encode())
        for connection in connections:
            raw = b""
            while b"\nid: " not in raw or not raw.endswith(b"\n\n"):
                data = connection.recv(65536)
                assert data, f"it was closed: {raw!r}"
                raw += data
            raws.append(raw)
    return raws


async def beside_an_answer(stack: Stack, session: ClientSession, options: dict[str, Any]) -> list[float]:
    """The delays of ordinary readers while one answer of *options* grows beside them."""
    async with await ChatClient(session, stack.gateways[0].url).send(script(**options)) as growing:
        delays = await crowd_of(stack, session, MINUTE_S / 4 - 1)
        await growing.all(MINUTE_S)
    return delays


async def crowd_of(stack: Stack, session: ClientSession, seconds: float) -> list[float]:
    """The delays of ten readers who read for so long, sorted."""
    crowd = Crowd(session, stack, 10, length=int(seconds * 20), rate=20)
    await crowd.begin()
    await crowd.end()
    return crowd.delays()


def first_id(raw: bytes) -> str:
    """The first position in *raw*."""
    return raw[raw.index(b"\nid: ") + 5 :].partition(b"\n")[0].decode()


def last_id(raw: bytes) -> str:
    """The last position in *raw*."""
    return raw[raw.rindex(b"\nid: ") + 5 :].partition(b"\n")[0].decode()
