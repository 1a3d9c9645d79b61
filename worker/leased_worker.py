"""
arq's worker with leases: it wakes at once, claims what it has room for, and drains.

It claims and finishes jobs through `shared/lua/`, each in one step with the generation's own state: arq's
polling, in-progress locks, retry counts and results play no part, and cost no round trips. Its queue,
its job payload and its registry of job functions do.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import structlog
from arq.worker import Worker, func

from shared import keys, metrics
from shared.broker import BROKEN, Broker, pack, unpack
from shared.cells import Cell
from shared.channels import Channels
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.queue import JOB_FUNCTION, Claim, Queue
from worker.state import Tools

logger = structlog.get_logger("worker.leased_worker")

#: Jobs claimed at a time: few, so that a burst spreads over idle workers.
_CLAIM_AT_MOST = 8
_RECONNECT_S = 0.2
#: Redis ends a blocking wait itself; later than this, it hangs.
_ANSWER_WITHIN_S = 2.0


class _Overdue(Exception):
    """Redis has not ended a wait: it hangs, is gone, or its clock, by which it waits, was set back."""


def _set(signal: asyncio.Event, _: bytes) -> None:
    signal.set()


#: What is done with a claimed generation, to its end.
Job = Callable[[Tools, Claim], Awaitable[None]]


async def _run(ctx: dict[str, Any], generation_id: str) -> None:
    await ctx["job"](ctx["tools"], ctx["claim"])


class LeasedWorker(Worker):
    """One queue's worker in this process; `async_run` works until it is cancelled."""

    def __init__(
        self, broker: Broker, channels: Channels, queue: str, concurrency: int, tools: Tools, job: Job
    ) -> None:
        super().__init__(
            functions=[func(_run, name=JOB_FUNCTION)],
            queue_name=keys.QUEUE + queue,
            handle_signals=False,
            max_jobs=concurrency,
            job_serializer=pack,
            job_deserializer=unpack,
        )
        self.tools = tools
        self._job = job
        self._broker = broker
        self._queue = queue
        self._leases = Queue(broker, lease_s=tools.settings.lease_s)
        self._nonce = secrets.token_hex(6)
        self._room = asyncio.Event()
        #: Jobs that cells' claims under way may still bring.
        self._asked = 0
        self._stopping = asyncio.Event()
        #: Set when something is queued in a cell, where there is more than one.
        self._queued = {cell: asyncio.Event() for cell in broker.cells}
        if len(broker.cells) > 1:
            for cell, queued in self._queued.items():
                channels.want(cell, cell.key(keys.WAKE, queue), partial(_set, queued))
        #: Due jobs that could not be taken at the last look.
        self._broken: dict[Cell, set[str]] = {}

    async def main(self) -> None:
        """Claim and start jobs until told to drain; reconnects for ever."""
        async with asyncio.TaskGroup() as tasks:
            # Cells apart from each other: one that does not answer holds up its own jobs alone.
            for cell in self._broker.cells:
                tasks.create_task(self._work(cell))

    async def _work(self, cell: Cell) -> None:
        follow = self._follow if len(self._broker.cells) > 1 else self._wait_in_line
        while self.allow_pick_jobs:
            try:
                await follow(cell)
            except _Overdue:
                # Whether the broker is away tells the next claim, over another connection.
                logger.warning("waiting for work took too long, connecting again")
            except (BrokerUnavailable, BrokerRefused, *BROKEN) as error:
                self.tools.registry.broker_failed(cell, error)
                await asyncio.sleep(_RECONNECT_S)

    async def _wait_in_line(self, cell: Cell) -> None:
        """A token wakes one worker alone."""
        async with self._broker.dedicated(cell) as waiting:
            while self.allow_pick_jobs:
                if not await self._take(cell):
                    await self._woken(cell, waiting)

    async def _follow(self, cell: Cell) -> None:
        """No command can wait in several slots at once, so a channel wakes all who are idle."""
        queued = self._queued[cell]
        while self.allow_pick_jobs:
            queued.clear()
            if not await self._take(cell):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.tools.settings.poll_s):
                        await queued.wait()

    async def drain(self, grace_s: float, hurried: "asyncio.Task[None]") -> None:
        """Claim nothing more, let jobs end within *grace_s* or until *hurried*, hand the rest back."""
        self.allow_pick_jobs = False
        for signal in (self._stopping, *self._queued.values()):
            signal.set()
        ended = asyncio.create_task(self._all_ended())
        await asyncio.wait([ended, hurried], timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        await self._all_claimed()
        for task in self.tasks.values():
            task.cancel()
        await ended

    async def _all_claimed(self) -> None:
        """What a claim under way still brings is begun: nobody else would look after it for a lease."""
        while self._asked:
            self._room.clear()
            await self._room.wait()

    async def _all_ended(self) -> None:
        await self._all_claimed()
        while self.tasks:
            await asyncio.wait(self.tasks.values())

    async def _take(self, cell: Cell) -> bool:
        """Claim and start jobs of *cell*; False when none is due, and it is time to wait."""
        room = self.max_jobs - len(self.tasks) - self._asked
        if room <= 0:
            self._room.clear()
            await self._first_of(self._room, self._stopping)
            return True
        asked = min(room, _CLAIM_AT_MOST)
        registry = self.tools.registry
        with registry.room_for_suspect() as suspects, self._room_for(asked):
            claims, broken = await self._leases.claim(
                cell,
                self._queue,
                asked,
                self._nonce,
                queued_within_s=registry.queued_within_s(cell),
                suspects=suspects,
            )
            registry.broker_answers(cell)
            for claim in claims:
                self._start(claim)
            self._say_broken(cell, broken)
            # Each is registered with its first step, which the next look must take into account.
            await asyncio.sleep(0)
        return len(claims) == asked

    @contextlib.contextmanager
    def _room_for(self, asked: int) -> Iterator[None]:
        """So many jobs may come: no other cell takes their room meanwhile."""
        self._asked += asked
        try:
            yield
        finally:
            self._asked -= asked
            self._room.set()

    def _say_broken(self, cell: Cell, broken: list[str]) -> None:
        """Jobs that cannot be taken until their keys are repaired: said once each, not with every look."""
        for generation_id in set(broken) - self._broken.get(cell, set()):
            logger.error("a key of another kind is in a generation's place", generation=generation_id)
        self._broken[cell] = set(broken)

    def _start(self, claim: Claim) -> None:
        generation = claim.generation
        entry = metrics.labelled(generation.model)
        if claim.generation.attempt == 1:
            metrics.queue_wait.labels(entry).observe(claim.queued_s)
        if claim.taken_over:
            metrics.takeovers.labels(entry).inc()
        job = self.functions[JOB_FUNCTION].coroutine(
            {"tools": self.tools, "claim": claim, "job": self._job}, generation.id
        )
        task: asyncio.Task[None] = asyncio.create_task(job)
        # A generation can come back to the worker that is just losing it.
        key = f"{generation.id} {claim.lease}"
        self.tasks[key] = task
        task.add_done_callback(lambda _: self._ended(key))

    def _ended(self, key: str) -> None:
        task = self.tasks.pop(key)
        self._room.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("job failed", exc_info=error)

    async def _woken(self, cell: Cell, waiting: Any) -> None:
        """Wait for a wake token, at most until the next look at the queue."""
        token = asyncio.create_task(
            waiting.blpop([cell.key(keys.WAKE, self._queue)], timeout=self.tools.settings.poll_s)
        )
        stop = asyncio.create_task(self._stopping.wait())
        try:
            # A broker whose machine is gone, or that hangs, ends neither the wait nor the connection.
            most_s = self.tools.settings.poll_s + _ANSWER_WITHIN_S
            done, _ = await asyncio.wait({token, stop}, timeout=most_s, return_when=asyncio.FIRST_COMPLETED)
            if token in done:
                token.result()
            elif not done:
                raise _Overdue
        finally:
            for task in (token, stop):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, *BROKEN):
                await token

    async def _first_of(self, *signals: asyncio.Event) -> None:
        tasks = [asyncio.create_task(signal.wait()) for signal in signals]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
