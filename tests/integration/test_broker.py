"""What every part relies on in its way to the broker."""

import asyncio

from shared.broker import Broker
from shared.settings import Settings
from tests.kit.broker import EmbeddedBroker


async def test_a_cancelled_command_is_a_cancelled_task(broker: EmbeddedBroker) -> None:
    """Whoever sends commands without end still ends when it is cancelled, at whatever moment."""
    ours = Broker(Settings(redis_url=broker.url(0)))

    async def ask_for_ever() -> None:
        async with ours.dedicated() as connection:
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
