"""
What runs in this process: keeps its leases, hears who is to stop, and stops it.

A generation that lost its lease, was cancelled or is watched by nobody learns of it here, by push
where there is one and at the latest with the next renewal.
"""

import asyncio
import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

import structlog

from shared import keys, metrics
from shared.broker import BROKEN, Broker
from shared.errors import BrokerRefused, BrokerUnavailable, GenerationFailed
from shared.events import CancelReason
from shared.queue import Claim, Queue, Renewed
from shared.settings import Settings
from worker.appender import LogWriter

logger = structlog.get_logger("worker.running")

#: Renewals in one lease: two may be lost before the lease is.
_RENEWALS_PER_LEASE = 3
_RECONNECT_S = 0.2
#: A cancel channel that is silent for this long is asked for a sign of life.
_PING_S = 2.0


class Stopped(Exception):
    """The generation was stopped, for `reason`."""

    def __init__(self, reason: CancelReason, at: float) -> None:
        super().__init__(reason)
        self.reason = reason
        #: Loop time at which the worker learned of it.
        self.at = at


class Fenced(Exception):
    """Another attempt owns the generation: say nothing more."""


Interruption = Stopped | Fenced | GenerationFailed


class Running:
    """One generation under way: its claim, its writer, and the task that may be interrupted."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.writer: LogWriter | None = None
        self.interruption: Interruption | None = None
        self._task: asyncio.Task[None] | None = None
        self._watched_at = self.confirmed_at = asyncio.get_running_loop().time()
        #: Whether no gateway listened when last looked.
        self.abandoned = False

    async def interruptible(self, task: "asyncio.Task[None]") -> None:
        """Wait for *task*; raises the interruption that ended it, if one did."""
        self._task = task
        try:
            if self.interruption is not None:
                task.cancel()
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        finally:
            self._task = None
        if self.interruption is not None:
            interruption = self.interruption
            if isinstance(interruption, GenerationFailed):
                self.interruption = None  # a time-out ends one upstream request, not the generation
            raise interruption
        await task

    def interrupt(self, why: Interruption) -> None:
        """Stop what runs, once; the first reason counts."""
        if self.interruption is None:
            self.interruption = why
            if self._task is not None:
                self._task.cancel()

    def stop(self, reason: CancelReason) -> None:
        """Somebody wants it stopped."""
        self.interrupt(Stopped(reason, asyncio.get_running_loop().time()))

    def fence(self) -> None:
        """Another attempt owns it."""
        if self.writer is not None:
            self.writer.fence()
        self.interrupt(Fenced())

    def watched(self, listeners: int, grace_s: float) -> None:
        """*listeners* gateways watch it; with none for *grace_s*, its policy decides."""
        now = asyncio.get_running_loop().time()
        self.abandoned = not listeners
        if listeners:
            self._watched_at = now
        elif self.claim.generation.on_disconnect == "cancel" and now - self._watched_at >= grace_s:
            self.stop("abandoned")


class Registry:
    """All generations of this process, by id."""

    def __init__(self, broker: Broker, queue: Queue, settings: Settings) -> None:
        self._broker = broker
        self._queue = queue
        self._settings = settings
        self._running: dict[str, Running] = {}
        #: Loop time at which the broker was last away. For one lease from then on, lapsed leases are left
        #: to their workers: everybody's have lapsed, and those alive must have the chance to renew.
        self._failed_at = -math.inf
        self._look = asyncio.Event()
        self._claiming_suspect = False
        #: A cancel may overtake the answer to the claim of its generation.
        self._unclaimed_cancels: deque[tuple[str, str]] = deque(maxlen=1000)

    def __contains__(self, generation_id: str) -> bool:
        return generation_id in self._running

    def add(self, running: Running) -> None:
        """Keep *running*'s lease from now on."""
        generation_id = running.claim.generation.id
        self._running[generation_id] = running
        for cancelled_id, reason in self._unclaimed_cancels:
            if cancelled_id == generation_id:
                running.stop(cast(CancelReason, reason))

    def remove(self, running: Running) -> None:
        """It is over; a newer attempt of the same generation in this process stays."""
        if self._running.get(running.claim.generation.id) is running:
            del self._running[running.claim.generation.id]
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
                await self._renew()
            except BrokerUnavailable:
                self.broker_failed()
                await asyncio.sleep(_RECONNECT_S)
                self._look.set()

    async def _renew(self) -> None:
        running = list(self._running.values())
        if not running:
            return
        for it, renewed in await self._answers(running):
            if renewed.state == "ended":
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
                it.stop(cast(CancelReason, renewed.cancel))
            it.watched(renewed.listeners, self._settings.abandon_grace_s)

    async def _answers(self, running: list[Running]) -> list[tuple[Running, Renewed]]:
        try:
            return list(zip(running, await self._queue.renew([it.claim for it in running]), strict=True))
        except BrokerRefused:
            if len(running) == 1:
                running[0].fence()
                return []
        # One of them cannot be renewed; the others must not lose their leases for it.
        return [answer for it in running for answer in await self._answers([it])]

    def _remembers(self, running: Running) -> bool:
        """Whether a missing record was lost by the broker: it may also have ended, and expired since."""
        silent_s = asyncio.get_running_loop().time() - running.confirmed_at
        return silent_s < self._settings.record_retention_s

    async def hear_cancels(self) -> None:
        """Follow the cancel channel for ever. What is missed here comes with the next renewal."""
        while True:
            try:
                async with self._broker.dedicated() as redis, redis.pubsub() as pubsub:
                    async with asyncio.timeout(2 * _PING_S):
                        await pubsub.subscribe(keys.CANCEL)
                    silent = False
                    while True:
                        message = await pubsub.get_message(timeout=_PING_S)
                        if message is None:
                            if silent:
                                raise TimeoutError
                            await pubsub.ping()
                        elif message["type"] == "message":
                            self._cancelled(*message["data"].decode().split(" ", 1))
                        silent = message is None
            except BROKEN:
                logger.warning("cancel channel lost, connecting again")
                await asyncio.sleep(_RECONNECT_S)

    def _cancelled(self, generation_id: str, reason: str) -> None:
        running = self._running.get(generation_id)
        if running is not None:
            running.stop(cast(CancelReason, reason))
        else:
            self._unclaimed_cancels.append((generation_id, reason))
