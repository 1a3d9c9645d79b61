"""P8: a deploy costs no reader any text and no generation its life."""

import signal
import time
from contextlib import suppress

import pytest
from aiohttp import ClientError, ClientSession

from tests.conftest import StartStack
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from worker.backends.script import expected_text


async def test_a_draining_worker_hands_back(own_stack: StartStack, session: ClientSession) -> None:
    """SIGTERM: what does not end within the grace goes on in another worker, and nothing counts as lost."""
    stack = await own_stack(drain_grace_s=0.3, lease_s=10)
    chat, draining = ChatClient(session, stack.gateways[0].url), stack.workers[0]
    options = {"length": 100, "rate": 50}
    readers = [await chat.send(script(**options), model=model) for model in ("scripted", "plain")]
    for reader in readers:
        await reader.until("chunk", 3)
    draining.signal(signal.SIGTERM)
    assert await draining.ended() == 0
    await stack.add_worker()
    for reader in readers:
        await reader.all(timeout_s=5)  # far below the lease: it was handed back, not lost
        assert reader.text == expected_text(options)
        assert stack.redis.hget(f"hr:gen:{reader.generation_id}", "lost") is None
        assert (await chat.status(reader.generation_id))["attempts"] == 2


async def test_a_draining_worker_finishes_what_it_can(own_stack: StartStack, session: ClientSession) -> None:
    """What ends within the grace ends where it is."""
    stack = await own_stack(drain_grace_s=5)
    chat = ChatClient(session, stack.gateways[0].url)
    async with await chat.send(script(length=30, rate=50)) as reader:
        await reader.until("chunk", 3)
        stack.workers[0].signal(signal.SIGTERM)
        await reader.all()
    assert await stack.workers[0].ended() == 0
    assert reader.text == expected_text({"length": 30})
    assert (await chat.status(reader.generation_id))["attempts"] == 1


async def test_a_draining_worker_takes_nothing_more(own_stack: StartStack, session: ClientSession) -> None:
    """New messages wait for another worker."""
    stack = await own_stack(drain_grace_s=5)
    chat, draining = ChatClient(session, stack.gateways[0].url), stack.workers[0]
    async with await chat.send(script(length=60, rate=40)) as long:
        await long.until("chunk")
        draining.signal(signal.SIGTERM)
        await eventually(lambda: "draining" in draining.log, "the worker drains")
        async with await chat.send(script(length=3)) as reader:
            queued = await reader.next()
            assert queued is not None and queued.type == "queued"
            await stack.add_worker()
            await reader.all()
        await long.all()
    assert reader.text == expected_text({"length": 3})


async def test_a_second_signal_hurries(own_stack: StartStack, session: ClientSession) -> None:
    """A second SIGTERM hands everything back at once."""
    stack = await own_stack(drain_grace_s=60, lease_s=10)
    chat, draining = ChatClient(session, stack.gateways[0].url), stack.workers[0]
    async with await chat.send(script(length=1000, rate=50)) as reader:
        await reader.until("chunk")
        draining.signal(signal.SIGTERM)
        await eventually(lambda: "draining" in draining.log, "the worker drains")
        draining.signal(signal.SIGTERM)
        assert await draining.ended(3) == 0  # before the reply would have ended
        await stack.add_worker(drain_grace_s=1)
        while not reader.ids[-1].startswith("2-"):
            await reader.until("chunk", timeout_s=5)
    assert expected_text({"length": 1000}).startswith(reader.text)


async def test_a_draining_gateway_sends_readers_elsewhere(
    own_stack: StartStack, session: ClientSession
) -> None:
    """SIGTERM: readers are told `retry:` at a frame boundary and go on at another gateway, whole."""
    stack = await own_stack(gateways=2)
    draining, other = stack.gateways
    here, there = ChatClient(session, draining.url), ChatClient(session, other.url)
    readers = [await here.send(script(length=60, rate=40)) for _ in range(5)]
    for reader in readers:
        await reader.until("chunk", 3)
    draining.signal(signal.SIGTERM)
    for reader in readers:
        await reader.all()
        assert len(reader.retries) == 2
        assert 500 <= reader.retries[1] <= 1500
        assert reader.raw.endswith(b": this gateway is going away\n")
        assert {frame.type for frame in reader.frames} == {"start", "chunk"}
    assert len({reader.retries[1] for reader in readers}) > 1, "or all come back in one moment"
    assert await draining.ended() == 0
    for reader in readers:
        async with await there.resume(reader.generation_id, reader.last_id) as rest:
            await rest.all()
        assert reader.text + rest.text == expected_text({"length": 60})


@pytest.mark.timing
async def test_a_draining_gateway_keeps_to_its_grace(own_stack: StartStack, session: ClientSession) -> None:
    """A reader that cannot come back reads on for the grace and no longer, like one that does not read."""
    stack = await own_stack(drain_grace_s=1.5)
    [gateway] = stack.gateways
    body = {"model": "scripted", "stream": True, "on_disconnect": "continue"}
    body["messages"] = [{"role": "user", "content": script(rate=50, length=200)}]
    async with (
        session.post(f"{gateway.url}/v1/chat/completions", json=body) as reading,
        session.post(f"{gateway.url}/v1/chat/completions", json=body),
    ):
        await reading.content.readany()
        gateway.signal(signal.SIGTERM)
        began = time.monotonic()
        with suppress(ClientError):
            while await reading.content.readany():
                pass
        assert 1.25 < time.monotonic() - began < 2.5
        assert await gateway.ended() == 0
        assert time.monotonic() - began < 2.5
    await stack.add_gateway()


async def test_a_draining_gateway_refuses_politely(local: Local, session: ClientSession) -> None:
    """While it drains it is not ready, lives, and answers 503 with `Retry-After`."""
    await local.start()
    chat = ChatClient(session, local.url)
    local.state.draining = True
    refused = await chat.submit()
    assert refused.status == 503
    assert refused.error["code"] == "unavailable"
    assert refused.headers["Retry-After"] == "1"
    assert (await chat.call("GET", "/readyz")).status == 503
    assert (await chat.call("GET", "/livez")).status == 200
