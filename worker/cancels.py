"""
The cancel channel: who is to stop, pushed the moment somebody asks. What is missed comes with a renewal.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from shared import keys
from shared.broker import BROKEN, Broker
from shared.cells import Cell
from shared.events import CancelReason, cancel_reason

logger = structlog.get_logger("worker.cancels")

Stop = Callable[[CancelReason], None]

_RECONNECT_S = 0.2
#: A channel that is silent for this long is asked for a sign of life.
_PING_S = 2.0


class Cancels:
    """Tells whoever expects it that its generation is to stop; `hear` is its task."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._stops: dict[str, Stop] = {}
        #: A cancel may overtake the answer to the claim of its generation.
        self._unclaimed: deque[tuple[str, CancelReason]] = deque(maxlen=1000)

    def expect(self, generation_id: str, stop: Stop) -> None:
        """Call *stop* when *generation_id* is cancelled, at once if that was heard before."""
        self._stops[generation_id] = stop
        for cancelled_id, reason in self._unclaimed:
            if cancelled_id == generation_id:
                stop(reason)

    def forget(self, generation_id: str) -> None:
        """Nobody expects it any more."""
        self._stops.pop(generation_id, None)

    async def hear(self) -> None:
        """Follow the cells' channels for ever."""
        async with asyncio.TaskGroup() as tasks:
            for cell in self._broker.cells:
                tasks.create_task(self._follow(cell))

    async def _follow(self, cell: Cell) -> None:
        while True:
            try:
                async with self._broker.dedicated(cell) as redis, redis.pubsub() as pubsub:
                    async with asyncio.timeout(2 * _PING_S):
                        await pubsub.subscribe(cell.key(keys.CANCEL))
                    silent = False
                    while True:
                        message = await pubsub.get_message(timeout=_PING_S)
                        if message is None:
                            if silent:
                                raise TimeoutError
                            await pubsub.ping()
                        elif message["type"] == "message":
                            self.heard(message["data"])
                        silent = message is None
            except BROKEN:
                logger.warning("cancel channel lost, connecting again")
                await asyncio.sleep(_RECONNECT_S)

    def heard(self, data: bytes) -> None:
        """One push: `<generation id> <reason>`."""
        generation_id, _, word = data.decode(errors="replace").partition(" ")
        reason = cancel_reason(word)
        stop = self._stops.get(generation_id)
        if stop is not None:
            stop(reason)
        elif generation_id.startswith("gen_"):  # a gateway that looks whether it may publish names none
            self._unclaimed.append((generation_id, reason))
