"""
The watch over attached generations: compares silent feeds with their logs, gives up what nobody will ever
end, and tells silent readers how old their worker's last sign of life is.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

import structlog

from gateway.relay.feed import Feed
from gateway.relay.vitals import Vitals, read_vitals
from shared import metrics
from shared.broker import Broker
from shared.cells import Cell
from shared.clock import BrokerClock
from shared.errors import BrokerRefused, BrokerUnavailable, Gone
from shared.events import Error, now_ms
from shared.failures import GenerationFailed, QueueTimeout, WorkerLost
from shared.generation import TERMINAL_STATES, Generation
from shared.generations import Generations
from shared.position import ORIGIN
from shared.settings import Settings

logger = structlog.get_logger("gateway.relay.heartbeat")

#: How often feeds are looked at: the resolution of heartbeats and of places in the queue.
_TICK_S = 0.5
#: Feeds looked at in one tick; with more of them waiting, each is looked at less often.
_CHECK_AT_MOST = 500
#: What a worker needs beyond its lease to see that a record is missing.
RESTORED_WITHIN_S = 5.0


class Heartbeat:
    """Watches *feeds*; `run` is its task."""

    def __init__(
        self, broker: Broker, generations: Generations, settings: Settings, feeds: Mapping[str, Feed]
    ) -> None:
        self._broker = broker
        self._clocks = {cell: BrokerClock(broker, cell) for cell in broker.cells}
        #: Cells whose feeds are being looked at.
        self._under_way: set[Cell] = set()
        self._generations = generations
        self._settings = settings
        self._feeds = feeds

    async def run(self) -> None:
        """Watch for ever; cells apart, so that one that does not answer holds up its own feeds alone."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await asyncio.sleep(_TICK_S)
                self._look(tasks)

    def _look(self, tasks: asyncio.TaskGroup) -> None:
        feeds = list(self._feeds.values())
        groups = self._broker.cells.grouped(feed.generation.id for feed in feeds)
        # That we are there is to be seen where nobody reads anything, too: `headrace move` looks.
        groups.setdefault(self._broker.cells.home, [])
        for cell, places in groups.items():
            if cell not in self._under_way:
                self._under_way.add(cell)
                tasks.create_task(self._look_after(cell, [feeds[i] for i in places]))

    async def _look_after(self, cell: Cell, feeds: Sequence[Feed]) -> None:
        try:
            self._beat(feeds, await self._check(cell, feeds))
        except BrokerUnavailable:
            self._beat(feeds, {}, away=True)
        except BrokerRefused:
            # Logged where it happened: what all need, as a queue, is not as it should be.
            self._beat(feeds, {})
        finally:
            self._under_way.discard(cell)

    async def _check(self, cell: Cell, feeds: Sequence[Feed]) -> dict[Feed, Vitals]:
        now = time.monotonic()
        # Even where nothing is due: a clock that nobody looks at stands still.
        now_ms = await self._clocks[cell].look()
        due = [
            feed
            for feed in feeds
            if feed.awaited
            and (
                feed.position in (None, ORIGIN)
                or now - max(feed.heard_at, feed.checked_at) >= self._settings.heartbeat_s
            )
        ]
        due = sorted(due, key=lambda feed: feed.checked_at)[:_CHECK_AT_MOST]
        seen: dict[Feed, Vitals] = {}
        if due:
            generations = [feed.generation for feed in due]
            found = await read_vitals(self._broker, cell, generations, self._settings.lease_s, now_ms)
            seen = dict(zip(due, found, strict=True))
        for feed, vitals in seen.items():
            feed.checked_at = now
            try:
                await self._examine(feed, vitals)
            except BrokerRefused as error:
                # Logged where it happened; one key that is not as it should be must not end all streams.
                feed.fail(error)
        return seen

    async def _examine(self, feed: Feed, vitals: Vitals) -> None:
        settings = self._settings
        if vitals.broken:
            raise BrokerRefused
        if vitals.state is None:
            # Not created yet, or lost by the broker and about to be written again by its worker.
            feed.missing_since = feed.missing_since or feed.checked_at
            gone = feed.checked_at - feed.missing_since > settings.lease_s + RESTORED_WITHIN_S
        else:
            feed.missing_since = None
            gone = vitals.top is None and vitals.state in TERMINAL_STATES
        if gone:
            feed.fail(Gone())
            return
        if vitals.top is not None and feed.position is not None and vitals.top > feed.position:
            metrics.gaps_healed.inc()
            feed.heal()
        elif vitals.state in TERMINAL_STATES and vitals.top == feed.position:
            feed.fail_unended(Gone("The reply has ended with an event that this gateway does not know."))
        if vitals.orphaned:
            await self._close(feed.generation, WorkerLost(), 0)
        if vitals.worker_age_s is not None and vitals.worker_age_s > settings.worker_silence_limit_s:
            await self._close(
                feed.generation, WorkerLost(), settings.worker_silence_limit_s - settings.lease_s
            )
        if (
            vitals.place is not None
            and vitals.queued_s is not None
            and vitals.queued_s > settings.queue_timeout_s
        ):
            await self._close(feed.generation, QueueTimeout(), settings.queue_timeout_s)
        if vitals.place is not None:
            for subscriber in feed.subscribers:
                subscriber.say_place(vitals.place)

    async def _close(self, generation: Generation, why: GenerationFailed, overdue_s: float) -> None:
        error = Error(ts=now_ms(), code=why.code, message=why.message, retryable=why.retryable)
        if await self._generations.close(generation.id, error, overdue_s=max(0.001, overdue_s)) == "closed":
            model = generation.model
            logger.warning("generation failed", generation=generation.id, model=model, code=why.code)

    def _beat(self, feeds: Sequence[Feed], seen: dict[Feed, Vitals], *, away: bool = False) -> None:
        """To every reader that was silent for a heartbeat: how old is its worker's last sign of life."""
        now = time.monotonic()
        for feed in feeds:
            vitals = seen.get(feed)
            if away:
                state = "broker=away"
            elif vitals is not None and vitals.place is not None:
                state = f"queued={vitals.place}"
            elif vitals is not None and vitals.worker_age_s is not None:
                state = f"worker={vitals.worker_age_s:.1f}s"
            else:
                state = f"worker={now - feed.heard_at:.1f}s"
            for subscriber in feed.subscribers:
                if subscriber.waiting and now - subscriber.idle_since >= self._settings.heartbeat_s:
                    metrics.heartbeats.inc()
                    subscriber.say(subscriber.dialect.beat(state))
