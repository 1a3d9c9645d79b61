"""What every part relies on in its way to the broker."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client import REGISTRY
from redis.exceptions import RedisError, ResponseError

from shared import keys
from shared.broker import Broker
from shared.cells import Cells
from shared.cluster import Cluster
from shared.errors import BrokerUnavailable
from shared.sentinel import Sentinels
from shared.settings import Settings
from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.link import Link
from tests.kit.local import Local


async def test_a_cancelled_command_is_a_cancelled_task(broker: EmbeddedBroker) -> None:
    """Whoever sends commands without end still ends when it is cancelled, at whatever moment."""
    ours = Broker(Settings(redis_url=broker.url(0)))

    async def ask_for_ever() -> None:
        async with ours.dedicated(*ours.cells) as connection:
            while True:
                async with ours.watch("ping"):
                    await connection.ping()

    for turns in range(300):
        task = asyncio.create_task(ask_for_ever())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled(), f"it outlived its cancellation after {turns} turns of the loop"
    await ours.close()


@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
async def test_whoever_looks_for_the_primary_can_be_ended(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """At whatever moment; else its process would never end. What it asks is refused, and asked again."""
    monkeypatch.setattr(f"shared.{kind}._LOOK_S", 0)
    with Link(broker.socket) as link:
        for turns in range(150):
            ours: Cluster | Sentinels
            if kind == "cluster":
                ours = Cluster(f"redis+cluster://127.0.0.1:{link.port}", Cells(1))
                with pytest.raises(BrokerUnavailable):
                    await ours.known()
            else:
                ours = Sentinels(f"redis+sentinel://127.0.0.1:{link.port}/service")
                with pytest.raises(RedisError):
                    await ours.primary()
            for _ in range(turns):
                await asyncio.sleep(0)
            try:
                async with asyncio.timeout(5):
                    await ours.close()
            except TimeoutError:
                pytest.fail(f"it outlived its end after {turns} turns of the loop")


async def test_a_crowd_asks_the_sentinels_once(broker: EmbeddedBroker) -> None:
    """Whoever opens a connection while they are asked hears what they say: each gets it, however many."""
    redis: Any = broker.client(0)
    redis.config_resetstat()
    with Link(broker.socket) as link:
        ours = Sentinels(f"redis+sentinel://127.0.0.1:{link.port}/service")
        crowd = [ours.primary() for _ in range(100)]
        answers = await asyncio.gather(*crowd, return_exceptions=True)
        await ours.close()
    assert {type(answer) for answer in answers} == {ResponseError}, "it is no sentinel"
    assert redis.info("errorstats")["errorstat_ERR"]["count"] == 1


async def test_a_pooled_connection_that_was_closed_meanwhile(broker: EmbeddedBroker) -> None:
    """It is replaced before a command is sent over it, as is one with something unread."""
    ours = Broker(Settings(redis_url=broker.url(0)))
    redis = ours.at(*ours.cells)
    assert await redis.ping()
    before = await redis.client_id()
    broker.client(0).client_kill_filter(_type="normal", skipme=True)
    pooled: Any
    [pooled] = redis.connection_pool._available_connections
    await eventually(lambda: pooled._reader.at_eof(), "it is closed")
    assert await redis.client_id() != before
    unread: Any = await redis.connection_pool.get_connection()
    await unread.send_command("PING")
    await eventually(lambda: bool(unread._reader._buffer), "it is answered")
    await redis.connection_pool.release(unread)
    assert await redis.echo("this") == b"this"
    await ours.close()


async def test_what_is_being_claimed_is_handed_back(
    local: Local, broker: EmbeddedBroker, session: ClientSession
) -> None:
    """The broker's answer to a claim is under way when its worker is told to end: nothing counts as lost."""
    chat = ChatClient(session, await local.start(worker=False, lease_s=10))
    with Link(broker.socket) as link:
        await local.start_worker(redis_url=f"redis://127.0.0.1:{link.port}/1", lease_s=10)
        await eventually(lambda: claims() > 0, "it looks for work")
        link.delay_s = 0.3
        async with await chat.send(script(length=20, rate=20)) as reader:
            record = keys.RECORD + reader.generation_id
            await eventually(lambda: local.redis.hget(record, "state") == b"running", "it is claimed")
            await local.stop_worker()
            assert local.redis.hget(record, "state") == b"queued"
            await local.start_worker()
            await reader.all()
    assert local.redis.hget(record, "lost") is None


def claims() -> float:
    """How many this process has sent."""
    name, labels = "headrace_redis_round_trips_total", {"command": "claim"}
    return REGISTRY.get_sample_value(name, labels) or 0.0
