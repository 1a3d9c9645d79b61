"""P3, P4: workers may be killed, paused and woken at any instant; every reader gets one whole answer."""

import asyncio
import signal
import time

import pytest
from aiohttp import ClientSession

from shared import keys
from tests.conftest import StartStack
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.hand import fail_over
from tests.kit.program import Program
from tests.kit.reader import Reader
from worker.backends.script import expected_text

#: The issue's bound on the silence of a stream whose worker was killed, at the default lease.
NEXT_CHUNK_WITHIN_S = 5.0


async def metric(session: ClientSession, program: Program, name: str) -> float:
    """The sum of a metric over its labels, from a process's own page."""
    async with session.get(program.url + "/metrics") as response:
        lines = (await response.text()).splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((name + " ", name + "{")))


async def second_attempt(reader: Reader) -> float:
    """Read up to the first chunk of the second worker; gives the moment it came."""
    while frame := await reader.next():
        if frame.type == "chunk" and str(frame.id).startswith("2-"):
            return time.monotonic()
    raise AssertionError(f"no second attempt: {reader.frames[-3:]}")


def attempts_of(reader: Reader) -> list[int]:
    """The attempt that wrote each event."""
    return [int(position.partition("-")[0]) for position in reader.ids]


@pytest.mark.timing
async def test_killing_a_worker_with_20_streams(own_stack: StartStack, session: ClientSession) -> None:
    """SIGKILL: every reader gets a whole answer with nothing missing or twice, the next chunk within 5 s."""
    stack = await own_stack(lease_s=3)
    chat = ChatClient(session, stack.gateways[0].url)
    options = {"length": 40, "rate": 20}
    models = ["scripted", "plain"] * 10
    readers = [await chat.send(script(**options), model=model) for model in models]
    await asyncio.gather(*(reader.until("chunk", 10) for reader in readers))
    killed = time.monotonic()
    stack.workers[0].signal(signal.SIGKILL)
    await stack.add_worker()
    came = await asyncio.gather(*(second_attempt(reader) for reader in readers))
    assert max(came) - killed < NEXT_CHUNK_WITHIN_S
    await asyncio.gather(*(reader.all() for reader in readers))
    for model, reader in zip(models, readers, strict=True):
        assert reader.end.type == "end"
        assert reader.text == expected_text(options)
        resets = [frame for frame in reader.frames if frame.type == "reset"]
        assert len(resets) == (0 if model == "scripted" else 1), "a model that can continue never resets"
        assert attempts_of(reader) == sorted(attempts_of(reader))
        assert len(set(reader.ids)) == len(reader.ids)
        assert (await chat.status(reader.generation_id))["text"] == reader.text


async def test_a_paused_worker_that_wakes_up_writes_nothing(
    own_stack: StartStack, session: ClientSession
) -> None:
    """SIGSTOP, takeover, SIGCONT: the first worker is fenced, nothing of it follows the second's."""
    stack = await own_stack(lease_s=1)
    chat, paused = ChatClient(session, stack.gateways[0].url), stack.workers[0]
    options = {"length": 100, "rate": 50}
    readers = [await chat.send(script(**options), model=m) for m in ["scripted", "plain"] * 3]
    await asyncio.gather(*(reader.until("chunk", 5) for reader in readers))
    paused.signal(signal.SIGSTOP)
    await stack.add_worker()
    await asyncio.gather(*(second_attempt(reader) for reader in readers))
    paused.signal(signal.SIGCONT)

    async def noticed() -> bool:
        return await metric(session, paused, "headrace_generations_running") == 0

    await eventually(noticed, "the woken worker gives up what it lost")
    await asyncio.gather(*(reader.all() for reader in readers))
    for reader in readers:
        assert attempts_of(reader) == sorted(attempts_of(reader))
        assert set(attempts_of(reader)) == {1, 2}
        assert reader.text == expected_text(options)
        log = [entry.decode() for entry, _ in stack.redis.xrange(keys.LOG + reader.generation_id)]
        assert log == reader.ids


async def test_a_lost_worker_counts_until_attempts_are_exhausted(
    own_stack: StartStack, session: ClientSession
) -> None:
    """A generation that loses too many workers fails with `attempts_exhausted`, keeping its text."""
    stack = await own_stack(lease_s=0.5, max_attempts=1)
    chat = ChatClient(session, stack.gateways[0].url)
    async with await chat.send(script(length=1000, rate=50)) as reader:
        await reader.until("chunk", 3)
        stack.workers[0].signal(signal.SIGKILL)
        await stack.add_worker()
        await reader.all()
    assert reader.end.data["metadata"]["code"] == "attempts_exhausted"
    status = await chat.status(reader.generation_id)
    assert (status["state"], status["text"]) == ("failed", reader.text)


async def test_the_only_worker_comes_back(own_stack: StartStack, session: ClientSession) -> None:
    """Killed and started again, a lone worker goes on with what it had."""
    stack = await own_stack(lease_s=0.5)
    chat = ChatClient(session, stack.gateways[0].url)
    async with await chat.send(script(length=40, rate=40)) as reader:
        await reader.until("chunk", 5)
        stack.workers[0].signal(signal.SIGKILL)
        await stack.workers[0].restart()
        await reader.all()
    assert reader.text == expected_text({"length": 40})


async def test_jobs_wait_for_a_worker(own_stack: StartStack, session: ClientSession) -> None:
    """A message that no worker can take waits in the queue, and is answered once one comes."""
    stack = await own_stack(workers=0)
    chat = ChatClient(session, stack.gateways[0].url)
    async with await chat.send(script(length=5)) as reader:
        queued = await reader.next()
        assert queued is not None and queued.type == "queued"
        await stack.add_worker()
        await reader.all()
    assert reader.text == expected_text({"length": 5})


async def test_what_a_failover_lost_with_its_worker(own_stack: StartStack, session: ClientSession) -> None:
    """Readers have more than the log: they are told what it has, after a reset, and no word comes twice."""
    stack = await own_stack(lease_s=1)
    chat, options = ChatClient(session, stack.gateways[0].url), {"length": 40, "rate": 20}
    readers = [await chat.send(script(**options), model=model) for model in ("scripted", "plain")]
    await asyncio.gather(*(reader.until("chunk", 10) for reader in readers))
    stack.workers[0].kill()
    lost = [fail_over(stack.redis, reader.generation_id) for reader in readers]
    for reader, last in zip(readers, lost, strict=True):
        while reader.ids[-1] != last:
            await reader.next()
    await stack.add_worker()
    for reader, last in zip(readers, lost, strict=True):
        await reader.all()
        assert reader.text == expected_text(options)
        assert (await chat.status(reader.generation_id))["text"] == reader.text
        async with await chat.resume(reader.generation_id, last) as resumed:
            await resumed.all()
        assert resumed.ids == reader.ids[reader.ids.index(last) + 1 :]
        assert resumed.frames[0].type == "reset"
    assert [sum(frame.type == "reset" for frame in reader.frames) for reader in readers] == [1, 2]
