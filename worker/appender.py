"""
The one writer of a worker process: batches the events of all its generations into one round trip.

Every event is held until its generation's end is durable, so whatever the broker loses is written
again from here. While the broker is away, writers fill up to their bound and then wait. Events wait a
moment for others to share their round trip with; first words and ends do not.
"""

import asyncio
from collections.abc import Callable
from itertools import islice

import structlog
from arq.connections import ArqRedis

from shared import events, metrics
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.event_log import Appended, Batch, Entry, EventLog
from shared.events import Event, Start
from shared.position import Position
from shared.queue import Claim
from shared.settings import Settings

#: Events of one generation, and generations, in one append: bounds how long a script may run.
_MAX_EVENTS = 200
_MAX_BATCHES = 200
#: Pause before an append is tried again, doubled up to the last.
_BACKOFF_S = (0.05, 0.1, 0.2, 0.5)

logger = structlog.get_logger("worker.appender")


class LogWriter:
    """Writes one attempt's events. It is `fenced` once a newer attempt owns the generation."""

    def __init__(
        self,
        appender: "Appender",
        claim: Claim,
        prefix: list[Entry],
        *,
        on_fenced: Callable[[], None],
        on_missing: Callable[[], None],
    ) -> None:
        self._appender = appender
        self.generation_id = claim.generation.id
        self.lease = claim.lease
        self._held = list(prefix)
        self._acked = len(prefix)
        self._next = Position(int(claim.lease.partition(":")[0]), 0)
        self._closing = b""
        self._on_fenced = on_fenced
        self._on_missing = on_missing
        self._settled = asyncio.Event()
        self._answered = bool(prefix)
        self.fenced = False
        self.bytes = sum(len(entry.event) for entry in prefix)

    @property
    def position(self) -> Position:
        """Where the next event goes."""
        return self._next

    @property
    def unacknowledged(self) -> int:
        """Events that are not known to be in the log."""
        return len(self._held) - self._acked

    def put(self, event: Event, closing: bytes = b"") -> None:
        """Hand over the next event; *closing* goes with the terminal one."""
        if self.fenced:
            return
        raw = events.encode(event)
        self.bytes += len(raw)
        self._held.append(Entry(self._next, raw))
        self._next = self._next.next()
        self._closing = closing
        self._settled.clear()
        self._appender.wake(self)
        if closing or not (self._answered or isinstance(event, Start)):
            self._answered = True
            self._appender.hurry()

    async def durable(self, at_most: int = 0) -> None:
        """Wait until no more than *at_most* events are unacknowledged, or the writer is fenced."""
        while self.unacknowledged > at_most and not self.fenced:
            self._settled.clear()
            await self._settled.wait()

    def verify(self, log_length: int) -> None:
        """The log was seen with *log_length* events: write again what is missing."""
        self._acked = min(log_length, self._acked)
        if self.unacknowledged and not self.fenced:
            self._appender.wake(self)

    def repeat_last(self) -> None:
        """It may have been lost after all: append the last event again, which costs nothing where it is."""
        self.verify(len(self._held) - 1)

    def fence(self) -> None:
        """A newer attempt owns the generation, or it has ended: nothing more will be written."""
        if not self.fenced:
            self.fenced = True
            self._settled.set()
            self._on_fenced()

    def batch(self) -> Batch:
        """What to append next."""
        entries = self._held[self._acked : self._acked + _MAX_EVENTS]
        complete = self._acked + len(entries) == len(self._held)
        return Batch(self.generation_id, self.lease, self._acked, entries, self._closing if complete else b"")

    def settle(self, sent: Batch, answer: Appended) -> None:
        """Take in what became of *sent*."""
        match answer.status:
            case "ok":
                self._acked = sent.start + len(sent.entries)
            case "short":
                self._acked = min(answer.length, self._acked)
            case "fenced":
                metrics.fenced_appends.inc()
                self.fence()
            case "missing":
                # Whoever keeps the lease restores the record, and then has us verify.
                self._acked = 0
                self._on_missing()
                return
        self._settled.set()
        if self.unacknowledged and not self.fenced:
            self._appender.wake(self)


class Appender:
    """Owns the process's appends; `run` is its task."""

    def __init__(self, log: EventLog, settings: Settings) -> None:
        self._log = log
        self._interval_s = settings.append_interval_s
        self._dirty: dict[LogWriter, None] = {}
        self._wake = asyncio.Event()
        self._pause: asyncio.Future[None] | None = None
        #: Among the dirty is one with a first word or an end.
        self._hurried = False
        #: Appends to come that carry one writer each, to find the one that the broker refuses.
        self._alone = 0

    def wake(self, writer: LogWriter) -> None:
        """*writer* has something to append."""
        self._dirty[writer] = None
        self._wake.set()

    def hurry(self) -> None:
        """A first word or an end is waited for: no pause before the next append."""
        self._hurried = True
        self._end_pause()

    async def run(self) -> None:
        """Append for ever, one batch after another; every failure takes a new connection."""
        failures = 0
        while True:
            try:
                async with self._log.held() as connection:
                    while True:
                        await self._append_next(connection)
                        failures = 0
            except BrokerUnavailable:
                await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
                failures += 1

    async def _append_next(self, connection: ArqRedis) -> None:
        await self._wake.wait()
        began = asyncio.get_running_loop().time()
        writers = self._take()
        batches = [writer.batch() for writer in writers]
        if not batches:
            return
        try:
            answers = await self._log.append(batches, connection)
        except BrokerUnavailable:
            for writer in writers:
                self.wake(writer)
            raise
        except BrokerRefused:
            self._refused(writers)
            return
        metrics.append_batch.observe(sum(len(batch.entries) for batch in batches))
        written = 0
        for writer, batch, answer in zip(writers, batches, answers, strict=True):
            writer.settle(batch, answer)
            written += len(batch.entries) if answer.status == "ok" else 0
        metrics.events_appended.inc(written)
        # What is made meanwhile shares the next round trip; a full batch must not wait.
        if len(batches) < _MAX_BATCHES:
            await self._paused(began + self._interval_s)

    async def _paused(self, until: float) -> None:
        if self._hurried:
            return
        loop = asyncio.get_running_loop()
        self._pause = loop.create_future()
        timer = loop.call_at(until, self._end_pause)
        try:
            await self._pause
        finally:
            timer.cancel()
            self._pause = None

    def _end_pause(self) -> None:
        if self._pause is not None and not self._pause.done():
            self._pause.set_result(None)

    def _refused(self, writers: list[LogWriter]) -> None:
        """One of *writers* cannot be served: it gives up, the others must not suffer."""
        if len(writers) == 1:
            logger.error("a log cannot be written", generation=writers[0].generation_id)
            writers[0].fence()
            return
        self._alone = len(writers)
        for writer in writers:
            self.wake(writer)

    def _take(self) -> list[LogWriter]:
        writers = list(islice(self._dirty, 1 if self._alone else _MAX_BATCHES))
        self._alone = max(0, self._alone - 1)
        for writer in writers:
            del self._dirty[writer]
        if not self._dirty:
            self._wake.clear()
            self._hurried = False
        return [writer for writer in writers if not writer.fenced]
