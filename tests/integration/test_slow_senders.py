"""Who sends slowly or not at all is let go in time, and disturbs nobody meanwhile."""

import asyncio
import statistics
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from shared import metrics
from tests.conftest import StartStack
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.program import Program
from tests.kit.wire import Wire, WireAnswer

_LIMIT_S = 1.5
_LIMITS: dict[str, Any] = {
    "headers_timeout_s": _LIMIT_S,
    "body_timeout_s": _LIMIT_S,
    "idle_timeout_s": _LIMIT_S,
}
_HEAD = b"POST /api/chat/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
#: What each of them has sent before it falls silent.
SLOW = {
    "nothing": b"",
    "a part of the first line": b"GET /li",
    "a part of the headers": _HEAD + b"X-",
    "line breaks": b"\r\n\r\n",
    "a part of a body": _HEAD + b'Content-Length: 100\r\n\r\n{"mess',
    "a part of a chunk": _HEAD + b'Transfer-Encoding: chunked\r\n\r\n64\r\n{"mess',
    "a body for nobody": b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    "a request": b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a request and a part of one": b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /l",
}


async def test_a_thousand_of_them(own_stack: StartStack, session: ClientSession) -> None:
    """Others are answered at once while they hang there, streams go on, and all of theirs is given back."""
    stack = await own_stack(**dict.fromkeys(_LIMITS, 4))
    gateway = stack.gateways[0]
    chat = ChatClient(session, gateway.url)
    async with AsyncExitStack() as connections, await chat.send(script(length=100, rate=20)) as reader:
        await reader.until("chunk")
        before, memory = open_files(gateway), resident_mb(gateway)
        wires = [await connections.enter_async_context(Wire(gateway.port)) for _ in range(1000)]
        for wire, sent in zip(wires, list(SLOW.values()) * 200, strict=False):
            wire.send(sent)
        took = []
        for _ in range(30):
            asked = time.monotonic()
            assert (await chat.call("GET", "/livez")).status == 200
            took.append(time.monotonic() - asked)
        assert statistics.median(took) < 0.25
        assert resident_mb(gateway) - memory < 40
        await asyncio.gather(*(wire.rest() for wire in wires))
        await eventually(lambda: open_files(gateway) <= before, lambda: open_files(gateway) - before)
        await reader.all()
    assert reader.end.type == "end"
    assert len(reader.ids) > 90


async def test_each_is_told(local: Local) -> None:
    """Whoever has begun to send is told 408 before the end, and a byte now and then gains no time."""
    await local.start(worker=False, **_LIMITS)
    told: dict[str, list[int]] = {"nothing": [], "a body for nobody": [404], "a request": [200]}
    told["a request and a part of one"] = [200, 408]

    async def send(name: str, sent: bytes) -> None:
        async with Wire(port_of(local.url)) as wire:
            began = time.monotonic()
            wire.send(sent)
            dripping = asyncio.create_task(drip(wire) if "part" in name else asyncio.sleep(0))
            answers = await all_answers(wire)
            dripping.cancel()
            assert time.monotonic() - began < _LIMIT_S * 3, name
        assert [answer.status for answer in answers] == told.get(name, [408]), name
        if 408 in told.get(name, [408]):
            assert answers[-1].error["code"] == "request_timeout"
            assert answers[-1].closes

    await asyncio.gather(*(send(name, sent) for name, sent in SLOW.items()))


async def test_the_shape_of_a_late_body(local: Local) -> None:
    """As for every error: that of the address. It is counted."""
    await local.start(worker=False, **_LIMITS)
    counted = metrics.connections_refused.labels("body")
    before = counted.value
    async with Wire(port_of(local.url)) as wire:
        wire.send(_HEAD.replace(b"/api/chat/stream", b"/v1/responses") + b"Content-Length: 10\r\n\r\n{")
        late = await wire.answer()
        assert late.status == 408
        assert late.error["type"] == "invalid_request_error"
    assert counted.value == before + 1


async def test_who_says_nothing_at_all(local: Local) -> None:
    """Has so long as headers may take, not so long as a connection that has asked for something."""
    await local.start(worker=False, headers_timeout_s=0.2, idle_timeout_s=60)
    async with Wire(port_of(local.url)) as wire:
        assert not await wire.rest()


async def test_answers_may_take_their_time(local: Local, session: ClientSession) -> None:
    """Limits are for what is sent to us: neither streams nor whole answers end by them."""
    await local.start(headers_timeout_s=0.2, body_timeout_s=0.2, idle_timeout_s=0.2)
    chat = ChatClient(session, local.url)
    slow = script(length=10, rate=10)
    reader, whole = await asyncio.gather(
        chat.ask(slow),
        chat.call("POST", "/v1/chat/completions", json={"model": "scripted", "messages": [user(slow)]}),
    )
    assert reader.end.type == "end"
    assert whole.status == 200
    assert whole.body["choices"][0]["finish_reason"] == "stop"


async def test_headers_without_end(local: Local) -> None:
    """What a client may send before its headers end is bounded, however it is cut into pieces."""
    await local.start(worker=False)
    async with Wire(port_of(local.url)) as wire:
        wire.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n")
        for number in range(100):
            wire.send(b"X-%d: %b\r\n" % (number, b"x" * 4000))
            await asyncio.sleep(0)
        assert (await wire.answer()).error["code"] == "invalid_request"
        assert not await wire.rest()


async def test_room_for_connections(local: Local) -> None:
    """One more than there is room for is 503 with `Retry-After`; whoever leaves makes room."""
    await local.start(worker=False, max_connections=3)
    port = port_of(local.url)
    async with AsyncExitStack() as connections:
        for _ in range(3):
            wire = await connections.enter_async_context(Wire(port))
            assert (await wire.ask("GET", "/livez")).status == 200
        async with Wire(port) as refused:
            answer = await refused.answer()
            assert (answer.status, answer.error["code"]) == (503, "unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
            assert not await refused.rest()
        assert (await wire.ask("GET", "/livez")).status == 200
    await eventually(lambda: is_served(port), "there is room again")


@pytest.mark.skipif(sys.platform != "linux", reason="loopback has one address elsewhere")
async def test_room_for_an_address(local: Local) -> None:
    """One address cannot take everybody's room: past its own it is 429, and others are served."""
    await local.start(worker=False, max_connections_per_address=2)
    port = port_of(local.url)
    async with Wire(port, "127.0.0.2") as one, Wire(port, "127.0.0.2") as two:
        for wire in (one, two):
            assert (await wire.ask("GET", "/livez")).status == 200
        async with Wire(port, "127.0.0.2") as refused:
            answer = await refused.answer()
            assert (answer.status, answer.error["code"]) == (429, "too_busy")
        assert await is_served(port)


async def is_served(port: int) -> bool:
    """Whether a new connection is answered as it should be."""
    async with Wire(port) as wire:
        return (await wire.ask("GET", "/livez")).status == 200


async def drip(wire: Wire) -> None:
    """Send a byte now and then, which is neither a line's end nor a chunk's."""
    while True:
        await asyncio.sleep(_LIMIT_S / 4)
        wire.send(b"x")


async def all_answers(wire: Wire) -> list[WireAnswer]:
    """Every answer until the other side closes."""
    answers = []
    try:
        while True:
            answers.append(await wire.answer())
    except asyncio.IncompleteReadError as end:
        assert not end.partial
    return answers


def user(content: str) -> dict[str, str]:
    """A message."""
    return {"role": "user", "content": content}


def port_of(url: str) -> int:
    """Of an address."""
    return int(url.rpartition(":")[2])


def open_files(program: Program) -> int:
    """How many the process has open, where the system tells."""
    folder = Path(f"/proc/{program.pid}/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def resident_mb(program: Program) -> float:
    """Its memory, where the system tells."""
    status = Path(f"/proc/{program.pid}/status")
    if not status.exists():
        return 0
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmRSS" in line) / 1024
