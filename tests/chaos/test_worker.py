"""P3, P4: whatever becomes of a worker, another goes on, and the first can do no harm."""

import asyncio
import signal
import time

import pytest
from aiohttp import ClientSession

from tests.chaos.crowd import STREAMS, Crowd, p99
from tests.chaos.memory import enter, limit_growth, memory_groups, only_where_counted
from tests.conftest import StartStack
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.stack import MODELS, Stack, upstream_model
from tests.kit.upstream import FakeUpstream
from worker.backends.script import expected_text

pytestmark = pytest.mark.long

#: The issue's bound on the silence of a stream whose worker was killed, at the default lease.
NEXT_CHUNK_WITHIN_S = 5.0
#: Words of an answer that needs some 300 MB.
EATS_MEMORY = 2_000_000


@pytest.mark.timing
async def test_killed_one_after_another(own_stack: StartStack, session: ClientSession) -> None:
    """SIGKILL of each worker in turn: no reader waits longer than 5 s, none misses or repeats anything."""
    stack = await own_stack(workers=2)
    crowd = Crowd(session, stack, STREAMS, length=120, rate=10)
    await crowd.begin()
    silences: list[float] = []
    for victim in list(stack.workers):
        killed = time.monotonic()
        victim.kill()
        await eventually(lambda since=killed: crowd.goes_on(since), "all go on", 8)  # type: ignore[misc]
        silences += crowd.silences(killed)
        victim.start()
        await victim.ready()
    await crowd.end()
    assert crowd.ended_well()
    silences.sort()
    assert p99(silences) < NEXT_CHUNK_WITHIN_S, silences[-5:]
    print(f"next chunk after SIGKILL: p99 {p99(silences):.2f} s, most {silences[-1]:.2f} s")


async def test_blocked_for_longer_than_its_lease(own_stack: StartStack, session: ClientSession) -> None:
    """A worker whose event loop stands still loses its jobs; awake, it drops them and hurts nobody."""
    stack = await own_stack(workers=2, lease_s=0.6)
    crowd = Crowd(session, stack, 20, length=120, rate=20)
    await crowd.begin()
    for _ in range(2):
        for worker in stack.workers:
            worker.signal(signal.SIGSTOP)
            await asyncio.sleep(1)
            worker.signal(signal.SIGCONT)
    await crowd.end()
    assert crowd.ended_well()


async def test_a_zombie_stops_its_upstream(own_stack: StartStack, session: ClientSession) -> None:
    """A worker that lost its generation while it was paused closes its upstream call when it wakes."""
    async with FakeUpstream(rate=20, length=100) as upstream:
        models = MODELS + upstream_model(upstream.url, can_continue=True)
        stack = await own_stack(models=models, lease_s=0.6)
        zombie = stack.workers[0]
        crowd = Crowd(session, stack, 3, models=("upstream",), length=100, rate=20)
        await crowd.begin()
        await stack.add_worker()
        zombie.signal(signal.SIGSTOP)
        await upstream.until(lambda: len(upstream.requests) == 6)
        zombie.signal(signal.SIGCONT)
        first = list(upstream.requests)[:3]
        await upstream.until(lambda: all(seen.disconnected for seen in first))
        await crowd.end()
        assert crowd.ended_well()
        assert all(seen.prefix for seen in list(upstream.requests)[3:]), "the second attempt goes on"
        assert all(seen.steps < 100 for seen in first)


@only_where_counted
async def test_out_of_memory(own_stack: StartStack, session: ClientSession) -> None:
    """A reply that eats the worker's memory fails with `internal`; the worker's others go on."""
    # What eats it holds up the whole process meanwhile, for longer than the leases of others here.
    stack = await own_stack(lease_s=30)
    chat = ChatClient(session, stack.gateways[0].url)
    crowd = Crowd(session, stack, 5, length=60, rate=20)
    await crowd.begin()
    limit_growth(stack.workers[0], 24 * 1024**2)
    reader = await chat.ask(script(length=100_000_000))
    assert reader.end.data["metadata"]["code"] == "internal"
    await crowd.end()
    assert crowd.ended_well()


@pytest.mark.timeout(120)
async def test_killed_for_its_memory(own_stack: StartStack, session: ClientSession) -> None:
    """A reply for which the kernel kills each worker that takes it ends alone; the others are whole."""
    stack = await own_stack(workers=2, max_attempts=3)
    chat = ChatClient(session, stack.gateways[0].url)
    crowd = Crowd(session, stack, 10, length=40, rate=5)
    with memory_groups(2, 64 * 1024**2) as groups:
        for group, worker in zip(groups, stack.workers, strict=True):
            enter(group, worker)
        await crowd.begin()
        reader = await chat.send(script(length=EATS_MEMORY))
        poisoned = asyncio.create_task(reader.all(80))
        deaths = 0
        while not poisoned.done():
            for group, worker in zip(groups, stack.workers, strict=True):
                if not worker.is_alive:
                    assert await worker.ended() == -signal.SIGKILL
                    deaths += 1
                    worker.start()
                    enter(group, worker)
            await asyncio.sleep(0.05)
        await poisoned
        await crowd.end()
        assert (await chat.ask(script(length=3))).text == expected_text({"length": 3})
    assert [(f.code, f.ids[-1]) for f in crowd.followers if f.code != "stop"] == [], (
        "those beside it are whole"
    )
    assert deaths == 3
    assert reader.end.data["metadata"]["code"] == "attempts_exhausted"


async def test_a_poisoned_job(own_stack: StartStack, session: ClientSession) -> None:
    """A job that kills each worker that takes it ends with `attempts_exhausted`, and kills no more."""
    stack = await own_stack(workers=0, lease_s=0.4, max_attempts=3)
    chat = ChatClient(session, stack.gateways[0].url)
    async with await chat.send(script(length=20, rate=50, first_token_delay_s=1)) as reader:
        deaths = 0
        worker = await stack.add_worker()
        while not await chat.ended(reader.generation_id):
            if await held(stack, reader.generation_id, deaths):
                worker.kill()
                deaths += 1
                worker.start()
                await worker.ready()
        await reader.all()
    assert deaths == 3
    assert reader.end.data["metadata"]["code"] == "attempts_exhausted"
    assert reader.end.data["metadata"]["retryable"] is True
    assert (await chat.ask(script(length=3))).text == expected_text({"length": 3})


async def held(stack: Stack, generation_id: str, deaths: int) -> bool:
    """Whether a worker has taken the generation once more than it has lost one."""
    attempt = await asyncio.to_thread(stack.redis.hget, f"hr:gen:{generation_id}", "attempt")
    return deaths < 3 and int(attempt or 0) > deaths
