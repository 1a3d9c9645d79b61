"""The worker's own connection for appends: every failure is told, and nothing is written twice."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared import keys
from shared.append_line import AppendLine, append_line
from shared.broker import Broker
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.event_log import Appended, Batch, Entry
from shared.position import Position
from shared.settings import Settings
from tests.kit.broker import EmbeddedBroker

BATCH = Batch("g", "1:a", 0, [Entry(Position(1, 0), b"{}"), Entry(Position(1, 1), b"{}")])


@pytest.fixture
async def ours(broker: EmbeddedBroker) -> AsyncIterator[Broker]:
    """A broker that has one running generation."""
    database = broker.client(2)
    database.flushdb()
    database.hset(keys.RECORD + "g", mapping={"lease": "1:a", "state": "running"})
    opened = Broker(Settings(redis_url=broker.url(2)))
    yield opened
    await opened.close()
    database.flushdb()


async def appended(line: AppendLine, *batches: Batch) -> list[Appended] | BrokerRefused:
    """What the broker answers."""
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    line.append(batches, answer.set_result)
    async with asyncio.timeout(5):
        return await answer  # type: ignore[no-any-return]


async def test_the_same_again(ours: Broker, broker: EmbeddedBroker) -> None:
    """An append may be repeated; a script that the broker has forgotten is told it again."""
    async with append_line(ours) as line:
        for _ in range(2):
            broker.client(2).script_flush()
            assert await appended(line, BATCH, BATCH) == [Appended("ok", 2)] * 2
    assert broker.client(2).xlen(keys.LOG + "g") == 2


async def test_one_that_the_broker_refuses(ours: Broker, broker: EmbeddedBroker) -> None:
    """It is told so, and the line is good for the next."""
    broker.client(2).set(keys.LOG + "bad", "a string", px=60_000)
    broker.client(2).hset(keys.RECORD + "bad", mapping={"lease": "1:a", "state": "running"})
    async with append_line(ours) as line:
        assert isinstance(await appended(line, BATCH._replace(generation_id="bad")), BrokerRefused)
        assert await appended(line, BATCH) == [Appended("ok", 2)]


@pytest.mark.parametrize("under_way", [False, True])
async def test_a_connection_that_breaks(ours: Broker, broker: EmbeddedBroker, under_way: bool) -> None:
    """Who holds the line learns of it, also while nothing is under way; what was, is not answered."""
    async with append_line(ours) as line:
        if under_way:
            line.append([BATCH], lambda _: pytest.fail("answered"))
            line.connection_lost(None)
        else:
            broker.client(0).client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(BrokerUnavailable):
            async with asyncio.timeout(5):
                await line.lost()


async def test_a_broker_that_says_nothing(
    ours: Broker, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An append that takes too long has failed."""
    monkeypatch.setattr("shared.append_line.COMMAND_TIMEOUT_S", 0.05)
    async with append_line(ours) as line:
        broker.client(2).client_pause(300, all=False)
        line.append([BATCH], lambda _: pytest.fail("answered"))
        with pytest.raises(BrokerUnavailable):
            async with asyncio.timeout(5):
                await line.lost()
        broker.client(2).client_unpause()


async def test_no_broker_at_all() -> None:
    """It is told as what may pass."""
    nowhere = Broker(Settings(redis_url="unix:///nowhere.sock"))
    with pytest.raises(BrokerUnavailable):
        async with append_line(nowhere):
            pass
    await nowhere.close()
