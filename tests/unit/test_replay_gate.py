"""A crowd that comes back at once takes its turns."""

import asyncio

from gateway.relay.replay_gate import Turns


async def test_one_arrives_in_each_round_of_the_loop() -> None:
    """Whatever else is due comes between any two; who leaves while it waits holds up nobody."""
    turns, rounds, arrived = Turns(), 0, []

    async def count() -> None:
        nonlocal rounds
        while True:
            await asyncio.sleep(0)
            rounds += 1

    async def arrive() -> None:
        await turns.arrive()
        arrived.append(rounds)

    counting = asyncio.create_task(count())
    crowd = [asyncio.create_task(arrive()) for _ in range(20)]
    await asyncio.sleep(0)
    crowd[7].cancel()
    await asyncio.wait(crowd)
    counting.cancel()
    assert len(arrived) == len(set(arrived)) == 19
