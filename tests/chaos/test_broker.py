"""P7: whatever becomes of the broker costs time, never text."""

import asyncio
import signal
import time

import pytest
from aiohttp import ClientSession

from shared import keys
from tests.chaos.crowd import STREAMS, Crowd, p99
from tests.conftest import StartStack
from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.invariants import not_ended
from tests.kit.link import Link
from worker.backends.script import expected_text

#: The issue's bound: from the broker's return to every reader's next chunk.
NEXT_CHUNK_WITHIN_S = 2.0


@pytest.mark.long
@pytest.mark.timing
async def test_killed_and_restarted(
    own_broker: EmbeddedBroker, own_stack: StartStack, session: ClientSession
) -> None:
    """SIGKILL and a restart from its file in mid-stream: every reader goes on within 2 s of its return."""
    stack = await own_stack(broker=own_broker, gateways=2, workers=2)
    crowd = Crowd(session, stack, STREAMS, length=80, rate=10)
    await crowd.begin()
    own_broker.stop(signal.SIGKILL)
    await asyncio.sleep(1)
    own_broker.start()
    returned = time.monotonic()
    await crowd.end()
    silences = crowd.silences(returned)
    assert crowd.ended_well()
    assert len(silences) == STREAMS
    assert p99(silences) < NEXT_CHUNK_WITHIN_S, silences[-5:]
    print(f"next chunk after the broker's return: p99 {p99(silences):.2f} s, most {silences[-1]:.2f} s")


@pytest.mark.long
async def test_every_connection_killed(
    own_broker: EmbeddedBroker, own_stack: StartStack, session: ClientSession
) -> None:
    """CLIENT KILL of all connections, several times over: nothing is lost, doubled or refused for long."""
    stack = await own_stack(broker=own_broker, gateways=2, workers=2)
    crowd = Crowd(session, stack, 30, length=60, rate=20)
    await crowd.begin()
    for _ in range(5):
        stack.redis.execute_command("CLIENT", "KILL", "SKIPME", "yes")
        await asyncio.sleep(0.2)
    await crowd.end()
    assert crowd.ended_well()


async def test_scripts_flushed(own_stack: StartStack, session: ClientSession) -> None:
    """SCRIPT FLUSH in mid-stream: scripts are loaded again, nobody notices."""
    stack = await own_stack(workers=2)
    crowd = Crowd(session, stack, 20, length=30, rate=20)
    await crowd.begin()
    for _ in range(5):
        stack.redis.script_flush()
        await asyncio.sleep(0.1)
    await crowd.end()
    assert crowd.ended_well()
    assert not any(follower.refusals for follower in crowd.followers)


async def test_full(own_broker: EmbeddedBroker, own_stack: StartStack, session: ClientSession) -> None:
    """At its memory limit the broker takes nothing new (503), and what runs goes on to its end."""
    stack = await own_stack(broker=own_broker, lease_s=1)
    chat = ChatClient(session, stack.gateways[0].url)
    crowd = Crowd(session, stack, 20, length=50, rate=20)
    await crowd.begin()
    stack.redis.config_set("maxmemory", 1)
    refused = await chat.submit()
    assert (refused.status, refused.error["code"]) == (503, "unavailable")
    assert refused.error["retryable"] is True
    assert "Retry-After" in refused.headers
    cancelled = crowd.followers[0].generation_id
    assert (await chat.cancel(cancelled)).body["status"] == "cancelled"
    await crowd.end()
    assert all(f.terminals[0]["type"] == "end" for f in crowd.followers)
    stack.redis.config_set("maxmemory", 0)
    assert (await chat.ask(script(length=3))).text == expected_text({"length": 3})


@pytest.mark.long
async def test_full_with_a_queue(
    own_broker: EmbeddedBroker, own_stack: StartStack, session: ClientSession
) -> None:
    """What was accepted before the broker became full is answered all the same."""
    stack = await own_stack(broker=own_broker, workers=0)
    crowd = Crowd(session, stack, 5, length=10, rate=0)
    following = asyncio.create_task(crowd.begin())
    await eventually(lambda: len(not_ended(stack.redis)) == 5, "all are queued")
    stack.redis.config_set("maxmemory", 1)
    await stack.add_worker()
    await following
    await crowd.end()
    stack.redis.config_set("maxmemory", 0)
    assert crowd.ended_well()


@pytest.mark.long
async def test_slow(own_broker: EmbeddedBroker, own_stack: StartStack, session: ClientSession) -> None:
    """200 ms more each way cost latency alone: no generation is lost to another worker, none starts over."""
    with Link(own_broker.socket) as link:
        link.delay_s = 0.2
        stack = await own_stack(broker=own_broker, workers=2, redis_url=f"redis://127.0.0.1:{link.port}/2")
        crowd = Crowd(session, stack, 20, length=40, rate=10)
        await crowd.begin()
        await crowd.end()
        assert crowd.ended_well()
        assert not any(follower.resets or follower.breaks for follower in crowd.followers)
        assert not any(position.startswith("2-") for f in crowd.followers for position in f.ids)
        for program in (*stack.gateways, *stack.workers):
            program.stop()


@pytest.mark.long
async def test_stalled(own_broker: EmbeddedBroker, own_stack: StartStack, session: ClientSession) -> None:
    """A network that swallows everything without a word for 4 s: readers stay, and get the rest."""
    with Link(own_broker.socket) as link:
        stack = await own_stack(broker=own_broker, workers=2, redis_url=f"redis://127.0.0.1:{link.port}/2")
        crowd = Crowd(session, stack, 20, length=60, rate=10)
        await crowd.begin()
        link.stall()
        await asyncio.sleep(4)
        link.resume()
        await crowd.end()
        assert crowd.ended_well()
        link.cut()
        for program in (*stack.gateways, *stack.workers):
            program.stop()


@pytest.mark.long
@pytest.mark.timing
async def test_read_only(own_broker: EmbeddedBroker, own_stack: StartStack, session: ClientSession) -> None:
    """Become a replica, it refuses writes: 503 for what is new; the rest goes on once it is primary."""
    stack = await own_stack(broker=own_broker, workers=2)
    chat = ChatClient(session, stack.gateways[0].url)
    crowd = Crowd(session, stack, 20, length=60, rate=10)
    await crowd.begin()
    # Of a primary that is not there: what it has, it keeps.
    stack.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    refused = await chat.submit()
    assert (refused.status, refused.error["code"]) == (503, "unavailable")
    await asyncio.sleep(1)
    stack.redis.execute_command("REPLICAOF", "NO", "ONE")
    returned = time.monotonic()
    await crowd.end()
    assert crowd.ended_well()
    assert p99(crowd.silences(returned)) < NEXT_CHUNK_WITHIN_S


async def test_a_lost_generation(own_stack: StartStack, session: ClientSession) -> None:
    """A broker that forgot everything gets it all again from the worker, conversation included."""
    stack = await own_stack(lease_s=1)
    crowd = Crowd(session, stack, 10, length=60, rate=20)
    for number, follower in enumerate(crowd.followers):
        follower.body["conversation_id"] = f"c{number}"
    await crowd.begin()
    stack.redis.flushdb()
    await crowd.end()
    assert crowd.ended_well()
    chat = ChatClient(session, stack.gateways[0].url)
    for number, follower in enumerate(crowd.followers):
        messages = (await chat.conversation(f"c{number}"))["messages"]
        assert [m["content"] for m in messages] == [follower.body["message"], follower.text]


@pytest.mark.long
async def test_a_lost_tail(own_stack: StartStack, session: ClientSession) -> None:
    """A broker that forgot the newest events of running logs gets them again, in their places."""
    stack = await own_stack(lease_s=1)
    crowd = Crowd(session, stack, 10, length=60, rate=20)
    await crowd.begin()
    logs = [keys.LOG + follower.generation_id for follower in crowd.followers]
    for _ in range(5):
        # As a failover to a replica that lags does.
        before = [stack.redis.dump(log) for log in logs]
        await asyncio.sleep(0.3)
        for log, dump in zip(logs, before, strict=True):
            stack.redis.restore(log, 60_000, dump, replace=True)
    await crowd.end()
    assert crowd.ended_well()


@pytest.mark.long
async def test_a_log_that_cannot_be_written(own_stack: StartStack, session: ClientSession) -> None:
    """A key that is not what it should be stops its own generation; what runs beside it goes on."""
    stack = await own_stack(lease_s=0.5)
    crowd = Crowd(session, stack, 6, length=60, rate=20)
    await crowd.begin()
    broken = keys.LOG + crowd.followers[0].generation_id
    with stack.redis.pipeline() as step:  # in one step, or what is written between would be lost
        step.rename(broken, "aside").set(broken, "not a log", px=60_000).execute()
    worker = stack.workers[0]
    await eventually(lambda: "a log cannot be written" in worker.log, lambda: worker.log)
    assert worker.log.count("refused a command") < 50, "it is not asked again and again"
    stack.redis.rename("aside", broken)
    await crowd.end()
    assert crowd.ended_well()


async def test_an_orphan(own_stack: StartStack, session: ClientSession) -> None:
    """A generation that has a record, but neither worker nor place in the queue, ends with an error."""
    stack = await own_stack(workers=0)
    chat = ChatClient(session, stack.gateways[0].url)
    async with await chat.send() as reader:
        await reader.until("queued")
        for queue in stack.redis.keys(keys.QUEUE + "*"):
            stack.redis.zrem(queue, reader.generation_id)
        await reader.all()
    assert reader.end.data["metadata"]["code"] == "worker_lost"
