"""P11: silence is filled and explained; what is dead does not look alive."""

import re
import signal

import pytest
from aiohttp import ClientSession

from shared.generation import Submission
from tests.conftest import StartStack
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local


async def test_heartbeats_tell_the_workers_age(local: Local, session: ClientSession) -> None:
    """A silent stream gets comments with the age of its worker's last sign of life, and no id."""
    await local.start(heartbeat_s=0.6)
    async with await ChatClient(session, local.url).send(script(first_token_delay_s=60)) as reader:
        for _ in range(2):
            match = re.fullmatch(r"hb worker=(\d+\.\d)s", await reader.comment())
            assert match is not None
            assert float(match[1]) <= 1.0, "a live worker renews its lease every third of a second"
        assert b"id:" not in reader.raw[reader.raw.index(b": hb") :]


async def test_heartbeats_of_a_paused_worker_grow_old(own_stack: StartStack, session: ClientSession) -> None:
    """While a worker is silent the heartbeats' age grows: nothing hides its death."""
    stack = await own_stack(heartbeat_s=0.6, lease_s=1)
    async with await ChatClient(session, stack.gateways[0].url).send(
        script(first_token_delay_s=60)
    ) as reader:
        await reader.until("start")
        stack.workers[0].signal(signal.SIGSTOP)
        ages = [
            float((await reader.comment()).removeprefix("hb worker=").removesuffix("s")) for _ in range(4)
        ]
        stack.workers[0].signal(signal.SIGCONT)
    assert ages == sorted(ages)
    assert ages[-1] > 1.5


async def test_a_stream_that_speaks_needs_no_heartbeat(local: Local, session: ClientSession) -> None:
    """Comments come only after silence."""
    await local.start(heartbeat_s=0.5)
    async with await ChatClient(session, local.url).send(script(length=40, rate=20)) as reader:
        await reader.all()
    assert reader.comments == []


@pytest.mark.one_cell
async def test_the_place_in_the_queue(local: Local, session: ClientSession) -> None:
    """Who waits is told its place, and whenever that changes, in frames without id."""
    await local.start(worker=False)
    chat = ChatClient(session, local.url)
    first, second = await chat.send(), await chat.send()
    queued = await second.next()
    assert queued is not None
    assert (queued.id, queued.type, queued.data["metadata"]) == (None, "queued", {"position": 2})
    await chat.cancel(first.generation_id)
    queued = await second.next()
    assert queued is not None
    assert queued.data["metadata"] == {"position": 1}
    second.cut()


async def test_a_second_reader_learns_the_place(local: Local, session: ClientSession) -> None:
    """Who attaches after the place was told is told as well."""
    url = await local.start(worker=False)
    chat = ChatClient(session, url)
    async with await chat.send(script()) as first:
        assert (await first.until("queued")).data["metadata"] == {"position": 1}
        async with await chat.resume(first.generation_id) as second:
            assert (await second.until("queued")).data["metadata"] == {"position": 1}


async def test_heartbeats_in_the_queue(local: Local, session: ClientSession) -> None:
    """Heartbeats of a queued generation say that it is queued, and where."""
    await local.start(worker=False, heartbeat_s=0.6)
    async with await ChatClient(session, local.url).send() as reader:
        assert await reader.comment() == "hb queued=1"


async def test_a_queue_that_nobody_serves(local: Local, session: ClientSession) -> None:
    """What has waited too long for a worker fails with a durable `queue_timeout`."""
    await local.start(worker=False, queue_timeout_s=0.3)
    chat = ChatClient(session, local.url)
    reader = await chat.ask(conversation_id="c1")
    assert reader.end.data["metadata"]["code"] == "queue_timeout"
    assert reader.end.data["metadata"]["retryable"] is True
    assert (await chat.status(reader.generation_id))["state"] == "failed"
    async with await chat.resume(reader.generation_id) as again:
        assert (await again.all())[-1] == reader.frames[-1]
    await local.start_worker()
    assert (await chat.ask(conversation_id="c1")).end.type == "end"


async def test_a_worker_that_never_comes_back(own_stack: StartStack, session: ClientSession) -> None:
    """With no worker to take over, a lost one's generation fails with a durable `worker_lost`."""
    stack = await own_stack(lease_s=0.5, worker_silence_limit_s=1, heartbeat_s=0.3)
    chat = ChatClient(session, stack.gateways[0].url)
    async with await chat.send(script(length=1000, rate=50)) as reader:
        await reader.until("chunk", 3)
        stack.workers[0].signal(signal.SIGKILL)
        await reader.all()
    assert reader.end.data["metadata"]["code"] == "worker_lost"
    status = await chat.status(reader.generation_id)
    assert (status["state"], status["text"], status["position"]) == ("failed", reader.text, reader.last_id)


async def test_the_end_is_re_checked(local: Local, session: ClientSession) -> None:
    """A terminal event whose push was lost is found in the log: no stream hangs for ever."""
    await local.start(heartbeat_s=0.5)
    async with await ChatClient(session, local.url).send(script(length=30, rate=50)) as reader:
        await reader.until("chunk")
        # As when Redis drops a slow subscriber's messages without closing it.
        for channel in local.state.relay._live._channels._wanted.values():
            channel.heard = lambda _: None
        await reader.all()
    assert reader.end.type == "end"
    assert reader.ids == [f"1-{i}" for i in range(32)]


@pytest.mark.one_cell
async def test_a_generation_in_the_making_is_not_gone(local: Local, session: ClientSession) -> None:
    """A slow broker may take longer to create a generation than its feed is first looked at."""
    await local.start()
    create = local.state.generations.create

    async def looked_at_first(submission: Submission) -> tuple[str, bool]:
        [cell], watch = local.state.broker.cells, local.state.relay._heartbeat
        await watch._check(cell, list(watch._feeds.values()))
        return await create(submission)

    local.state.generations.create = looked_at_first  # type: ignore[method-assign]
    assert (await ChatClient(session, local.url).ask()).end.type == "end"
