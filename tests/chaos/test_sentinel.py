"""P7 over Redis Sentinel: a failover costs time, never text."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from aiohttp import ClientSession

from tests.chaos.crowd import STREAMS, Crowd, p99
from tests.conftest import StartStack
from tests.kit.eventually import eventually
from tests.kit.sentinels import Sentinels

pytestmark = pytest.mark.long

#: The issue's bound: from the promotion to every reader's next chunk.
NEXT_CHUNK_WITHIN_S = 2.0


@pytest.fixture
def sentinels() -> Iterator[Sentinels]:
    """Three of them, watching a primary and its replica."""
    sentinels = Sentinels()
    try:
        sentinels.start()
        yield sentinels
    finally:
        sentinels.remove()


@pytest.mark.timing
async def test_failover(sentinels: Sentinels, own_stack: StartStack, session: ClientSession) -> None:
    """The primary is killed in mid-stream: every reader goes on within 2 s of the replica's promotion."""
    stack = await own_stack(
        broker=sentinels, gateways=2, workers=2, min_replicas=1, replication_timeout_s=0.2
    )
    crowd = Crowd(session, stack, STREAMS, length=100, rate=20)
    await crowd.begin()
    old = sentinels.primary
    sentinels.kill_primary()
    await eventually(lambda: sentinels.promoted(old), "the replica is promoted", 20)
    promoted = time.monotonic()
    await crowd.end()
    assert crowd.ended_well()
    silences = crowd.silences(promoted)
    assert len(silences) == STREAMS
    assert p99(silences) < NEXT_CHUNK_WITHIN_S, silences[-5:]
    print(f"next chunk after the promotion: p99 {p99(silences):.2f} s, most {silences[-1]:.2f} s")


async def test_failover_to_a_replica_that_lags(
    sentinels: Sentinels, own_stack: StartStack, session: ClientSession
) -> None:
    """What the new primary never got is written to it again: records, jobs, conversations and logs."""
    stack = await own_stack(broker=sentinels, workers=2)
    older = Crowd(session, stack, 10, length=120, rate=20)
    await older.begin()
    sentinels.link.stall()
    newer = Crowd(session, stack, 10, length=100, rate=20)
    await newer.begin()
    await asyncio.sleep(1)
    old = sentinels.primary
    sentinels.link.cut()
    sentinels.kill_primary()
    await eventually(lambda: sentinels.promoted(old), "the replica is promoted", 20)
    await older.end()
    await newer.end()
    assert older.ended_well()
    assert newer.ended_well()


@pytest.mark.timing
async def test_a_primary_that_hangs(
    sentinels: Sentinels, own_stack: StartStack, session: ClientSession
) -> None:
    """SIGSTOP of the primary leaves connections open that nobody answers; everyone finds the new one."""
    stack = await own_stack(broker=sentinels, gateways=2, workers=2)
    crowd = Crowd(session, stack, STREAMS, length=120, rate=20)
    await crowd.begin()
    old = sentinels.primary
    sentinels.pause_primary()
    await eventually(lambda: sentinels.promoted(old), "the replica is promoted", 20)
    promoted = time.monotonic()
    await crowd.end()
    assert crowd.ended_well()
    silences = crowd.silences(promoted)
    assert len(silences) == STREAMS
    assert p99(silences) < NEXT_CHUNK_WITHIN_S, silences[-5:]
    print(
        f"next chunk after the promotion, the old primary hanging: p99 {p99(silences):.2f} s, "
        f"most {silences[-1]:.2f} s"
    )
