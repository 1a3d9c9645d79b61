"""The durations that are promised: job pick-up, no starvation, stops that reach the model server."""

import asyncio
import json
import statistics
import time
from typing import Any

import pytest
from aiohttp import ClientSession

from shared import keys
from tests.conftest import StartStack
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.stack import Stack

pytestmark = pytest.mark.timing

PICK_UP_P50_MS = 5
NEW_ONE_WITHIN_MS = 1_000
CANCEL_P99_S = 0.050


def waits_ms(stack: Stack) -> list[int]:
    """Of every generation that was begun: how long it was due before, by the broker's clock."""
    records = stack.redis.scan_iter(match=keys.RECORD + "*", count=1000)
    times = [stack.redis.hmget(record, ["queued_ms", "started_ms"]) for record in records]
    return [int(started) - int(queued) for queued, started in times if started is not None]


async def test_a_job_is_picked_up_at_once(stack: Stack, chat: ChatClient) -> None:
    """From due to taken, p50 over 100 jobs one after another is at most 5 ms."""
    for _ in range(100):
        await chat.ask(script(length=1))
    assert statistics.median(waits_ms(stack)) <= PICK_UP_P50_MS


async def test_long_generations_do_not_starve_a_new_one(
    own_stack: StartStack, session: ClientSession
) -> None:
    """With 600 generations under way on 3 workers a new one is taken at once."""
    stack = await own_stack(workers=3, drain_grace_s=0)
    chat = ChatClient(session, stack.gateways[0].url)
    long = script(length=1000, rate=0.1)

    async def begin() -> None:
        async with await chat.send(long) as reader:
            await reader.until("start", timeout_s=30)

    for _ in range(12):
        await asyncio.gather(*(begin() for _ in range(50)))
    before = len(waits_ms(stack))
    assert before == 600
    reader = await chat.ask(script(length=3))
    status = await chat.status(reader.generation_id)
    assert status["started_ms"] - status["created_ms"] <= NEW_ONE_WITHIN_MS
    assert status["ended_ms"] - status["created_ms"] <= 2 * NEW_ONE_WITHIN_MS
    assert all(
        stack.redis.hget(record, "attempt") == b"1" for record in stack.redis.scan_iter(keys.RECORD + "*")
    )
    stack.redis.flushdb()


@pytest.mark.parametrize("count", [100, pytest.param(200, marks=pytest.mark.long)])
async def test_stopping_many_generations(own_stack: StartStack, session: ClientSession, count: int) -> None:
    """From a cancel request to the upstream's connection closed, seen there: p99 is <= 50 ms."""
    stack = await own_stack(gateways=2, upstream=True)
    assert stack.upstream is not None
    here, there = (ChatClient(session, gateway.url) for gateway in stack.gateways)
    upstream = ChatClient(session, stack.upstream.url)
    readers = [await here.send(script(rate=4, length=10_000, seed=i), model="upstream") for i in range(count)]
    await asyncio.gather(*(reader.until("chunk") for reader in readers))
    asked = []
    for reader in readers:
        asked.append(time.time())
        assert (await there.cancel(reader.generation_id)).body["status"] == "cancelled"

    async def left() -> dict[int, float | None]:
        seen = (await upstream.call("GET", "/_requests")).body
        return {seed_of(request): request["disconnected"] for request in seen}

    async def all_left() -> bool:
        return None not in (await left()).values()

    await eventually(all_left, "the model server has seen all of its clients leave")
    closed = await left()
    took_s = sorted((closed[i] or 0) - moment for i, moment in enumerate(asked))
    assert took_s[int(count * 0.99) - 1] <= CANCEL_P99_S


def seed_of(request: dict[str, Any]) -> int:
    """Which of the streams an upstream request was for."""
    seed: int = json.loads(request["body"]["messages"][-1]["content"].removeprefix("/script "))["seed"]
    return seed
