"""
All generations of this process: keeps their leases, all in one round trip.

A generation that lost its lease, was cancelled or is watched by nobody learns of it here with the next
renewal, where no push came before.
"""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

from shared import metrics
from shared.clock import BrokerClock
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


class Registry:
    """All generations of this process, by id."""

    def __init__(self, queue: Queue, cancels: Cancels, clock: BrokerClock, settings: Settings) -> None:
        self._queue = queue
        self._clock = clock
        self._settings = settings
        self._running: dict[str, Running] = {}
        #: Loop time at which the broker was last away. For one lease from then on, lapsed leases are left
        #: to their workers: everybody's have lapsed, and those alive must have the chance to renew.
        self._failed_at = -math.inf
        self._look = asyncio.Event()
        self._claiming_suspect = False
        self._cancels = cancels

    def __contains__(self, generation_id: str) -> bool:
        return generation_id in self._running

    def add(self, running: Running) -> None:
        """Keep *running*'s lease from now on."""
        generation_id = running.claim.generation.id
        self._running[generation_id] = running
        self._cancels.expect(generation_id, running.stop)

    def remove(self, running: Running) -> None:
        """It is over; a newer attempt of the same generation in this process stays."""
        if self._running.get(running.claim.generation.id) is running:
            del self._running[running.claim.generation.id]
            self._cancels.forget(running.claim.generation.id)
        # They hold each other, and the whole log: without this only the garbage collector would let go.
        running.writer = None

    @contextmanager
    def room_for_suspect(self) -> Iterator[int]:
        """
        How many may be claimed that must not be lost again: one, and only where no other runs or is being
        claimed, because that may be what kills workers.
        """
        last = self._settings.max_attempts - 1
        free = not self._claiming_suspect and not any(
            0 < it.claim.generation.lost >= last for it in self._running.values()
        )
        self._claiming_suspect |= free
        try:
            yield int(free)
        finally:
            if free:
                self._claiming_suspect = False

    def broker_failed(self) -> None:
        """The broker was away just now."""
        self._failed_at = asyncio.get_running_loop().time()

    @property
    def queued_within_s(self) -> float | None:
        """How new a job must be for this process to claim it now; None when any will do."""
        now = asyncio.get_running_loop().time()
        return now - self._failed_at if now < self._failed_at + self._settings.lease_s else None

    def look_at_once(self) -> None:
        """A record seems lost: renew now."""
        self._look.set()

    async def keep_leases(self) -> None:
        """Renew all leases together, for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.lease_s / _RENEWALS_PER_LEASE):
                    await self._look.wait()
            self._look.clear()
            try:
                # Even where nothing runs: a clock that nobody looks at stands still.
                await self._clock.look()
                await self._renew()
            except BrokerUnavailable:
                self.broker_failed()
                await asyncio.sleep(_RETRY_S)
                self._look.set()

    async def _renew(self) -> None:
        running = list(self._running.values())
        if not running:
            return
        for it, renewed in await self._answers(running):
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

    async def _answers(self, running: list[Running]) -> list[tuple[Running, Renewed]]:
        try:
            return list(zip(running, await self._queue.renew([it.claim for it in running]), strict=True))
        except BrokerRefused:
            if len(running) == 1:
                give_up(running[0])
                return []
        # One of them cannot be renewed; the others must not lose their leases for it.
        return [answer for it in running for answer in await self._answers([it])]

    def _remembers(self, running: Running) -> bool:
        """Whether a missing record was lost by the broker: it may also have ended, and expired since."""
        silent_s = asyncio.get_running_loop().time() - running.confirmed_at
        return silent_s < self._settings.record_retention_s


def give_up(running: Running) -> None:
    """What the broker refuses to keep for it will not be otherwise at the next try; the others go on."""
    logger.error("a log cannot be written", generation=running.claim.generation.id)
    running.fence()
