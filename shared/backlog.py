"""
How many generations wait in a queue over all cells: the bound is one, the queue's parts are many.

Looked at in the background, a few times a second while anything is submitted: a cell that does not answer
must not hold up the others. What this process has added since is counted with it.
"""

import asyncio
import math
from collections import Counter

from shared import keys
from shared.broker import Broker
from shared.cells import Cell
from shared.errors import BrokerRefused, BrokerUnavailable

_HOLDS_S = 0.25


class Backlog:
    """One queue's, as one process sees it."""

    def __init__(self, broker: Broker, queue: str) -> None:
        self._broker = broker
        self._queue = queue
        self._waiting: Counter[Cell] = Counter()
        self._looked_at = -math.inf
        self._looking: asyncio.Task[None] | None = None

    def elsewhere(self, cell: Cell) -> int:
        """How many wait in all cells but *cell*, where the step that adds one counts for itself."""
        if len(self._broker.cells) == 1:
            return 0
        now = asyncio.get_running_loop().time()
        if self._looking is None and now - self._looked_at >= _HOLDS_S:
            self._looked_at = now
            self._looking = asyncio.create_task(self._look())
        return self._waiting.total() - self._waiting[cell]

    def added(self, cell: Cell) -> None:
        """One more waits there."""
        self._waiting[cell] += 1

    async def finished(self) -> None:
        """Returns once nothing is being looked at."""
        if self._looking is not None:
            await self._looking

    async def _look(self) -> None:
        try:
            await asyncio.gather(*(self._look_at(cell) for cell in self._broker.cells))
        finally:
            self._looking = None

    async def _look_at(self, cell: Cell) -> None:
        try:
            now_ms, _ = await self._broker.run("clock", cell, [])
            key = cell.key(keys.QUEUE, self._queue)
            self._waiting[cell] = await self._broker.call("backlog", cell, "ZCOUNT", key, "-inf", now_ms)
        except (BrokerUnavailable, BrokerRefused):
            # What waits there holds up nobody elsewhere.
            self._waiting[cell] = 0
