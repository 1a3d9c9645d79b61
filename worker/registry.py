"""
All generations of this process: keeps their leases, those of a cell in one round trip.

A generation that lost its lease, was cancelled or is watched by nobody learns of it here with the next
renewal, where no push came before.
"""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

from shared import metrics
from shared.broker import Broker
from shared.cells import Cell
from shared.clock import BrokerClock
from shared.cluster import named
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.events import cancel_reason
from shared.queue import Queue, Renewed
from shared.settings import Settings
from worker.cancels import Cancels
from worker.running import Running

logger = structlog.get_logger("worker.registry")

#: Renewals in one lease: two may be lost before the lease is.
_RENEWALS_PER_LEASE = 3
_RETRY_S = 0.2
_SETTLED_S = 1.0


class Registry:
    """All generations of this process, by id."""

    def __init__(self, broker: Broker, queue: Queue, cancels: Cancels, settings: Settings) -> None:
        self._queue = queue
        self._broker = broker
        self._cells = broker.cells
        self._clocks = {cell: BrokerClock(broker, cell) for cell in broker.cells}
        self._settings = settings
        self._running: dict[Cell, dict[str, Running]] = {cell: {} for cell in broker.cells}
        #: Loop time at which a cell's broker was last away. For one lease from then on, lapsed leases are
        #: left to their workers: everybody's have lapsed, and those alive must have the chance to renew.
        self._failed_at: dict[Cell, float] = {}
        #: The primaries that were said to be away, and when they last were.
        self._away: dict[str, float] = {}
        self._look = {cell: asyncio.Event() for cell in broker.cells}
        self._claiming_suspect = False
        self._cancels = cancels

    def __contains__(self, generation_id: str) -> bool:
        return generation_id in self._beside(generation_id)

    def add(self, running: Running) -> None:
        """Keep *running*'s lease from now on."""
        generation_id = running.claim.generation.id
        self._beside(generation_id)[generation_id] = running
        self._cancels.expect(generation_id, running.stop)

    def remove(self, running: Running) -> None:
        """It is over; a newer attempt of the same generation in this process stays."""
        generation_id = running.claim.generation.id
        beside = self._beside(generation_id)
        if beside.get(generation_id) is running:
            del beside[generation_id]
            self._cancels.forget(generation_id)
        running.end()

    @contextmanager
    def room_for_suspect(self) -> Iterator[int]:
        """
        How many may be claimed that must not be lost again: one, and only where no other runs or is being
        claimed, because that may be what kills workers.
        """
        last = self._settings.max_attempts - 1
        free = not self._claiming_suspect and not any(
            0 < it.claim.generation.lost >= last
            for of_cell in self._running.values()
            for it in of_cell.values()
        )
        self._claiming_suspect |= free
        try:
            yield int(free)
        finally:
            if free:
                self._claiming_suspect = False

    def broker_failed(self, cell: Cell, error: Exception) -> None:
        """The broker of *cell* was away just now."""
        now = self._failed_at[cell] = asyncio.get_running_loop().time()
        node = self._node(cell)
        if node not in self._away:
            # Once for all of its cells and queues, each of which asks again and again.
            logger.warning("broker away, connecting again", node=node, error=_cause(error))
        self._away[node] = now

    def broker_answers(self, cell: Cell) -> None:
        """It took something of *cell*."""
        if not self._away:
            return
        # What was sent to it while it hung still fails.
        since = asyncio.get_running_loop().time() - _SETTLED_S
        if self._away.get(node := self._node(cell), since) < since:
            del self._away[node]
            logger.warning("broker answers again", node=node)
        # A replica has taken over from one that is no primary any more.
        for gone in self._away.keys() - {self._node(each) for each in self._cells}:
            del self._away[gone]

    def _node(self, cell: Cell) -> str:
        try:
            return named(self._broker.home(cell))
        except BrokerUnavailable:
            return "unknown"

    def queued_within_s(self, cell: Cell) -> float | None:
        """How new a job of *cell* must be for this process to claim it now; None when any will do."""
        now, failed_at = asyncio.get_running_loop().time(), self._failed_at.get(cell, -math.inf)
        return now - failed_at if now < failed_at + self._settings.lease_s else None

    def look_at_once(self, generation_id: str) -> None:
        """A record seems lost: renew now."""
        self._look[self._cells.of_generation(generation_id)].set()

    async def keep_leases(self) -> None:
        """Renew all leases, for ever; those of a cell together, and of each cell apart from the others."""
        async with asyncio.TaskGroup() as tasks:
            for cell in self._cells:
                tasks.create_task(self._keep(cell))

    async def _keep(self, cell: Cell) -> None:
        look = self._look[cell]
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.lease_s / _RENEWALS_PER_LEASE):
                    await look.wait()
            look.clear()
            try:
                # Even where nothing runs: a clock that nobody looks at stands still.
                await self._clocks[cell].look()
                await self._renew(cell)
            except BrokerUnavailable as error:
                self.broker_failed(cell, error)
                await asyncio.sleep(_RETRY_S)
                look.set()

    async def _renew(self, cell: Cell) -> None:
        running = list(self._running[cell].values())
        if not running:
            return
        for it, renewed in await self._answers(cell, running):
            if renewed.state == "ended":
                continue
            if renewed.state == "broken":
                give_up(it)
                continue
            if renewed.state == "lost" or (renewed.state == "missing" and not self._remembers(it)):
                metrics.leases_lost.inc()
                it.fence()
                continue
            if renewed.state == "missing":
                logger.warning(
                    "the broker lost a generation, writing it again", generation=it.claim.generation.id
                )
                await self._queue.restore(it.claim)
            it.confirmed_at = asyncio.get_running_loop().time()
            if it.writer is not None:
                it.writer.verify(renewed.log_length)
            if renewed.cancel:
                it.stop(cancel_reason(renewed.cancel))
            it.watched(renewed.listeners, self._settings.abandon_grace_s)

    async def _answers(self, cell: Cell, running: list[Running]) -> list[tuple[Running, Renewed]]:
        try:
            renewed = await self._queue.renew(cell, [it.claim for it in running])
            return list(zip(running, renewed, strict=True))
        except BrokerRefused:
            if len(running) == 1:
                give_up(running[0])
                return []
        # One of them cannot be renewed; the others must not lose their leases for it.
        return [answer for it in running for answer in await self._answers(cell, [it])]

    def _beside(self, generation_id: str) -> dict[str, Running]:
        """Those of its cell."""
        return self._running[self._cells.of_generation(generation_id)]

    def _remembers(self, running: Running) -> bool:
        """Whether a missing record was lost by the broker: it may also have ended, and expired since."""
        silent_s = asyncio.get_running_loop().time() - running.confirmed_at
        return silent_s < self._settings.record_retention_s


def give_up(running: Running) -> None:
    """What the broker refuses to keep for it will not be otherwise at the next try; the others go on."""
    logger.error("a log cannot be written", generation=running.claim.generation.id)
    running.fence()


def _cause(error: Exception) -> str:
    """In the broker's own words, not those that users are told."""
    cause = error.__cause__ or error
    return str(cause) or type(cause).__name__
