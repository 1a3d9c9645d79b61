"""`on_disconnect`: what becomes of a generation that nobody watches any more."""

import time

import pytest
from aiohttp import ClientSession

from shared import keys
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.stack import upstream_model
from tests.kit.upstream import FakeUpstream

#: Above what a renewal takes on a busy machine.
GRACE_S = 1.0
LONG = script(length=1000, rate=20)


async def test_cancel(local: Local, session: ClientSession) -> None:
    """With `cancel` a generation that nobody has watched for the grace is stopped, and says why."""
    async with FakeUpstream() as upstream:
        await local.start(upstream_model(upstream.url), abandon_grace_s=0.3)
        chat = ChatClient(session, local.url)
        async with await chat.send(LONG, on_disconnect="cancel") as reader:
            await reader.until("chunk")
            reader.cut()
        await eventually(lambda: chat.ended(reader.generation_id), "the generation is stopped")
        assert upstream.requests[-1].disconnected is not None
    async with await chat.resume(reader.generation_id) as again:
        await again.all()
    assert again.end.data["metadata"]["finish_reason"] == "cancelled"
    assert again.end.data["metadata"]["reason"] == "abandoned"


async def test_cancel_spares_what_is_watched(local: Local, session: ClientSession) -> None:
    """One reader, anywhere, is enough."""
    await local.start(abandon_grace_s=0.3)
    chat, elsewhere = ChatClient(session, local.url), ChatClient(session, await local.add_gateway())
    async with await chat.send(script(length=30, rate=20), on_disconnect="cancel") as reader:
        await reader.until("chunk")
        async with await elsewhere.resume(reader.generation_id) as other:
            reader.cut()
            await other.all()
    assert other.end.data["metadata"]["finish_reason"] == "stop"


@pytest.mark.timing
async def test_cancel_grants_a_grace(local: Local, session: ClientSession) -> None:
    """The grace is counted from the last reader's leaving, however long or short it had watched."""
    await local.start(abandon_grace_s=GRACE_S, lease_s=0.4)
    chat, began = ChatClient(session, local.url), time.monotonic()
    async with await chat.send(script(length=1000, rate=50), on_disconnect="cancel") as reader:
        while time.monotonic() - began < GRACE_S + 0.3:
            await reader.until("chunk")
        reader.cut()
    left = time.monotonic()
    await renewed(local, reader.generation_id, 2)
    assert time.monotonic() - left < GRACE_S, "or this proves nothing"
    async with await chat.resume(reader.generation_id, reader.last_id) as again:
        await again.until("chunk")
    left = time.monotonic()
    await eventually(lambda: chat.ended(reader.generation_id), "the generation is stopped")
    assert GRACE_S <= time.monotonic() - left < GRACE_S + 2


async def renewed(local: Local, generation_id: str, times: int) -> None:
    """Its worker has looked so often since its readers left."""
    await eventually(lambda: local.state.relay.empty, "the gateway notices that its reader left")
    cell = local.state.broker.cells.of_generation(generation_id)
    job = cell.key(keys.QUEUE, "scripted"), cell.job(generation_id)
    for _ in range(times):
        due = local.redis.zscore(*job)
        await eventually(lambda due=due: local.redis.zscore(*job) != due, "its lease is renewed")  # type: ignore[misc]


async def test_continue(local: Local, session: ClientSession) -> None:
    """With `continue`, the default, a generation comes to its own end although nobody watches."""
    await local.start(abandon_grace_s=0)
    chat = ChatClient(session, local.url)
    async with await chat.send(script(length=30, rate=20)) as reader:
        reader.cut()
    await eventually(lambda: chat.ended(reader.generation_id), "the generation ends")
    assert (await chat.status(reader.generation_id))["finish_reason"] == "stop"
