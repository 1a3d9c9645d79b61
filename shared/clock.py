"""
A cell's time as leases, queues and limits count it: see `now_ms` in `lua/_steps.lua`.

Differences are taken within one clock: no process compares its own with the broker's. That the broker's
was set is noticed here, because it and our own monotonic one no longer go equally fast.
"""

import time

import structlog

from shared import metrics
from shared.broker import Broker
from shared.cells import Cell

logger = structlog.get_logger("shared.clock")

#: Clocks drift, and what looks like it may be a round trip: less than this is nobody's business.
_NOTICED_S = 1.0


class BrokerClock:
    """One process's view of one cell's."""

    def __init__(self, broker: Broker, cell: Cell) -> None:
        self._broker = broker
        self._cell = cell
        #: What the broker's own clock said, ours when it was asked, and ours when it had answered.
        self._last: tuple[float, float, float] | None = None

    async def look(self) -> int:
        """Now, in ms; looking at it keeps it going. Raises `BrokerUnavailable`."""
        asked = time.monotonic()
        now_ms, wall_ms = await self._broker.run("clock", self._cell, [])
        self._notice(wall_ms / 1000, asked, time.monotonic())
        return int(now_ms)

    def _notice(self, wall: float, asked: float, answered: float) -> None:
        last, self._last = self._last, (wall, asked, answered)
        if last is None:
            return
        passed = wall - last[0]
        least, most = asked - last[2], answered - last[1]
        step = passed - (least if passed < least else most)
        if (passed < least or passed > most) and abs(step) > _NOTICED_S:
            metrics.broker_clock_steps.inc()
            logger.warning("the broker's clock was set", by_s=round(step, 1))
