"""P1, P8: gateways may die or leave at any moment; their readers go on elsewhere."""

import asyncio
import signal
import time

import pytest
from aiohttp import ClientSession

from tests.chaos.crowd import STREAMS, Crowd, p99
from tests.conftest import StartStack

pytestmark = pytest.mark.long


async def test_killed(own_stack: StartStack, session: ClientSession) -> None:
    """SIGKILL: its readers come back through the other one with their last ids, and miss nothing."""
    stack = await own_stack(gateways=2)
    crowd = Crowd(session, stack, 30, length=80, rate=20)
    await crowd.begin()
    killed = time.monotonic()
    stack.gateways[0].kill()
    await crowd.end()
    assert crowd.ended_well()
    assert sum(follower.breaks > 0 for follower in crowd.followers) >= 15
    print(f"next chunk after SIGKILL of the gateway: p99 {p99(crowd.silences(killed)):.2f} s")


@pytest.mark.timing
async def test_a_deploy(own_stack: StartStack, session: ClientSession) -> None:
    """SIGTERM to every gateway and worker in turn: no text is lost, nothing fails."""
    stack = await own_stack(gateways=2, workers=2, drain_grace_s=1)
    crowd = Crowd(session, stack, STREAMS, length=150, rate=10)
    await crowd.begin()
    for program in (*stack.workers, *stack.gateways):
        program.signal(signal.SIGTERM)
        assert await program.ended() == 0
        program.start()
        await program.ready()
        await asyncio.sleep(0.3)
    await crowd.end()
    assert crowd.ended_well()
    for follower in crowd.followers:
        assert stack.redis.hget(f"hr:gen:{follower.generation_id}", "lost") is None
    longest = sorted(
        max(b - a for a, b in zip(f.chunk_times, f.chunk_times[1:], strict=False)) for f in crowd.followers
    )
    print(f"longest silence in a deploy: p99 {p99(longest):.2f} s")
