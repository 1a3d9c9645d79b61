"""The proxies of `deploy/proxies` in front of a running system: what is promised holds through each."""

import asyncio
import json
import signal
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.kit import invariants
from tests.kit.broker import EmbeddedBroker
from tests.kit.certificates import make_certificates
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.proxies import FILES, Proxy, whole
from tests.kit.reader import Reader
from tests.kit.room_client import member
from tests.kit.stack import Stack
from worker.backends.script import expected_text

_DATABASE = 9
_HEARTBEAT_S = 0.7
#: Requests that a client may make in a minute; far more than these tests do.
_REQUESTS = 1000
SILENT = script(length=20, stall_after=3)
THREE_WORDS = expected_text({"length": 3})


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The proxies' certificate, and who has signed it."""
    return make_certificates(tmp_path_factory.mktemp("certificates"), "server")


@pytest.fixture(scope="module")
def system(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two gateways that trust their proxy, and a worker."""
    stack = Stack(
        broker,
        tmp_path_factory.mktemp("system"),
        database=_DATABASE,
        heartbeat_s=_HEARTBEAT_S,
        abandon_grace_s=0.2,
        lease_s=1,
        retry_ms=100,
        trusted_proxies="127.0.0.1",
        allow_anonymous=True,
        anonymous_requests_per_minute=_REQUESTS,
    )
    try:
        stack.start(gateways=2, workers=1)
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def proxies(
    system: Stack, certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Proxy]]:
    """All of them."""
    folder = tmp_path_factory.mktemp("proxies")
    started = {name: Proxy(name, folder / name, certificates) for name in FILES}
    try:
        for proxy in started.values():
            proxy.start((system.gateways[0].port, system.gateways[1].port))
        yield started
    finally:
        for proxy in started.values():
            proxy.stop()


@pytest.fixture(params=sorted(FILES))
async def proxy(
    request: pytest.FixtureRequest, proxies: Mapping[str, Proxy], system: Stack
) -> AsyncIterator[Proxy]:
    """One of them; after the test every generation must have come to its one end."""
    yield proxies[request.param]
    await system.settle()


@pytest.fixture
async def tls(proxies: Mapping[str, Proxy]) -> AsyncIterator[ClientSession]:
    """A client of HTTP/1.1."""
    async with proxies["nginx"].http1() as session:
        yield session


async def silent(chat: ChatClient, **fields: Any) -> Reader:
    """A stream of which all has come that is going to come."""
    reader = await chat.send(SILENT, **fields)
    while reader.text != THREE_WORDS:
        assert await reader.next()
    return reader


async def test_nothing_is_held_back(proxy: Proxy, tls: ClientSession) -> None:
    """What a model has said is there at once, over HTTP/2 and HTTP/1.1, and heartbeats while it is silent."""
    async with proxy.http2() as (_, chat):
        for one in (chat, ChatClient(tls, proxy.url)):
            async with await silent(one) as reader:
                assert not reader.comments, "it came with a heartbeat"
                assert (await reader.comment(_HEARTBEAT_S * 4)).startswith("hb worker=")
            assert (await one.cancel(reader.generation_id)).status == 200


@pytest.mark.timing
async def test_the_delay_that_it_adds(proxy: Proxy, system: Stack) -> None:
    """A chunk comes through it as soon as past it, but for some milliseconds (a proxy may wait for 200)."""
    async with (
        proxy.http2() as (_, chat),
        ClientSession() as session,
        await chat.send(script(length=40, rate=60)) as through,
    ):
        past = await ChatClient(session, system.gateways[0].url).resume(through.generation_id)
        arrived = await asyncio.gather(arrivals(through), arrivals(past))
    later = [arrived[0][position] - moment for position, moment in arrived[1].items()]
    assert statistics.median(later) < 0.05


async def arrivals(reader: Reader) -> dict[str | None, float]:
    """When each frame came."""
    moments = {}
    while frame := await reader.next():
        moments[frame.id] = time.monotonic()
    return moments


async def test_hanging_up(proxy: Proxy, system: Stack) -> None:
    """
    Whoever leaves is gone for the gateway too, although nothing is being said: a stream of HTTP/2 that is
    reset, a connection that is lost, a whole answer that nobody waits for any more.
    """
    whole = {"messages": [{"role": "user", "content": SILENT}]}
    streamed = {"message": SILENT, "on_disconnect": "cancel"}
    async with proxy.http2() as (_, chat), proxy.http2() as (lost, of_lost):
        readers = [await silent(one, on_disconnect="cancel") for one in (chat, of_lost)]
        waiting = asyncio.create_task(chat.call("POST", "/v1/chat/completions", json=whole))
        posted = {"/v1/chat/completions": whole, "/api/chat/stream": streamed}
        plain = [await proxy.post(path, json.dumps(body).encode()) for path, body in posted.items()]
        await eventually(lambda: len(invariants.not_ended(system.redis)) == 5, "all of them are answered")
        ids = invariants.not_ended(system.redis)
        readers[0].cut()
        lost.cut()
        waiting.cancel()
        await asyncio.wait([waiting])
        for writer in plain:
            writer.transport.abort()
        await eventually(
            lambda: not invariants.not_ended(system.redis),
            lambda: f"all of them are stopped: {invariants.not_ended(system.redis)}",
            10,
        )
        for generation_id in ids:
            assert (await chat.status(generation_id))["state"] == "cancelled"


async def test_resuming(proxy: Proxy) -> None:
    """A connection of HTTP/2 is lost with its streams; over the next one each goes on where it was."""
    said = script(length=60, rate=80)
    async with proxy.http2() as (lost, chat):
        readers = [await chat.send(said) for _ in range(3)]
        for reader in readers:
            await reader.until("chunk", 3)
        lost.cut()
    async with proxy.http2() as (_, again):
        for reader in readers:
            rest = await again.resume(reader.generation_id, reader.last_id)
            await rest.all()
            assert reader.text + rest.text == expected_text({"length": 60})
            assert not {*reader.ids} & {*rest.ids}
            assert rest.end.type == "end"


async def test_web_sockets(proxy: Proxy, tls: ClientSession) -> None:
    """Rooms, and responses."""
    async with (
        member(tls, proxy.url, f"room-{proxy.name}", "ann") as ann,
        member(tls, proxy.url, f"room-{proxy.name}", "ben") as ben,
    ):
        await ann.say(script(length=5))
        for one in (ann, ben):
            await one.until("stream_end")
        assert ann.log[-1] == ben.log[-1]
    async with tls.ws_connect(f"{proxy.url}/v1/responses") as socket:
        await socket.send_json({"type": "response.create", "model": "scripted", "input": script(length=5)})
        while (event := await socket.receive_json(timeout=10))["type"] != "response.completed":
            assert event["type"] != "error"


async def test_bodies(proxy: Proxy, tls: ClientSession) -> None:
    """The gateway decides on bodies, in its own words: one within its limit passes, also in chunks."""
    async with proxy.http2() as (_, chat):
        for one in (chat, ChatClient(tls, proxy.url)):
            for size, status, code in ((400_000, 400, "invalid_request"), (1_100_000, 413, "too_large")):
                refused = await one.submit("x" * size)
                assert (refused.status, refused.error["code"]) == (status, code)

    large = await ChatClient(tls, proxy.url).call("POST", "/api/blobs", data=bytes(9_000_000))
    assert (large.status, large.error["code"]) == (413, "too_large")

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'{"mess', b'age": "', script(length=2).replace('"', '\\"').encode(), b'"}'):
            yield piece
            await asyncio.sleep(0)

    headers = {"Content-Type": "application/json"}
    async with tls.post(f"{proxy.url}/api/chat/stream", data=pieces(), headers=headers) as answer:
        await Reader(answer).all()
        assert answer.status == 200


async def test_whom_a_limit_counts(proxy: Proxy) -> None:
    """Each client of the proxy, and nobody whom it makes up."""
    honest = f"127.0.0.{11 + sorted(FILES).index(proxy.name)}"
    for source, forged in ((honest, {}), (f"{honest}1", {"X-Forwarded-For": honest})):
        async with proxy.http2(source) as (_, chat):
            for _ in range(2):
                async with await chat.send(script(length=1), headers=forged) as reader:
                    await reader.all()
            assert f'"requests";r={_REQUESTS - 2};' in reader.headers["RateLimit"]


async def test_what_is_private(proxy: Proxy) -> None:
    """No stranger gets it through the proxy."""
    async with proxy.http2() as (_, chat):
        for path in ("/metrics", "//metrics", "/metrics/", "/%6detrics", "/x/../metrics", "/api/admin/keys"):
            assert (await chat.call("GET", path)).status in {400, 404}
        assert (await chat.call("GET", "/livez")).status == 200


async def test_a_page_of_ours(proxy: Proxy) -> None:
    """The name that a browser asked for is the name that the gateway sees, its port included."""
    async with proxy.http2() as (_, chat):
        ours = {"Origin": proxy.url}
        async with await chat.send(script(length=1), headers=ours) as reader:
            await reader.all()
        foreign = {"Origin": "https://localhost:1", "Sec-Fetch-Site": "same-site"}
        assert (await chat.submit(headers=foreign)).status == 403


async def test_a_deploy(proxies: Mapping[str, Proxy], system: Stack) -> None:
    """A gateway drains: its readers come back through each proxy to the other one, and miss nothing."""
    said = script(length=60, rate=30)
    async with AsyncExitStack() as connections:
        chats = []
        for proxy in proxies.values():
            chats.append((await connections.enter_async_context(proxy.http2()))[1])
        readers = [(chat, await chat.send(said)) for chat in chats for _ in range(4)]
        for _, reader in readers:
            await reader.until("chunk")
        draining = system.gateways[0]
        draining.signal(signal.SIGTERM)
        texts = await asyncio.gather(*(whole(chat, reader) for chat, reader in readers))
        await draining.ended()
        draining.start()
        await draining.ready()
    assert {*texts} == {expected_text({"length": 60})}
    await system.settle()


@pytest.mark.parametrize("name", ["haproxy", "nginx"])
async def test_what_limits_silence(
    name: str, system: Stack, certificates: Path, tmp_path: Path, tls: ClientSession
) -> None:
    """
    With the hour scaled to two seconds a whole answer ends after them, and a stream does not: heartbeats
    come more often.
    """
    proxy = Proxy(name, tmp_path / name, certificates, {"3600s": "2s"})
    try:
        proxy.start((system.gateways[0].port, system.gateways[1].port))
        chat = ChatClient(tls, proxy.url)
        body = {"messages": [{"role": "user", "content": SILENT}]}
        async with await silent(chat) as reader:
            assert (await chat.call("POST", "/v1/chat/completions", json=body)).status == 504
            for _ in range(3):
                await reader.comment()
    finally:
        proxy.stop()
    await system.settle()
