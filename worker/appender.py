"""
The one writer of a worker process: batches the events of all its generations into one round trip.

Every event is held until its generation's end is durable, so whatever the broker loses is written
again from here. While the broker is away, writers fill up to their bound and then wait. Events wait a
moment for others to share their round trip with, the longer the more of them there are; first words and ends
do not.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import islice
from typing import Protocol

import structlog

from shared import events, metrics
from shared.append_line import Answered
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.event_log import Appended, Batch, Entry
from shared.events import Event, Start
from shared.position import Position
from shared.queue import Claim
from shared.settings import Settings

#: Events of one generation, and generations, in one append: bounds how long a script may run.
_MAX_EVENTS = 200
_MAX_BATCHES = 200
#: So many events in one append are worth the whole pause before the next, fewer a part of it. Were it more
#: than gather in a pause, each pause would be shorter than the one before.
_MANY_EVENTS = 4
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
        #: Whoever is near its log.
        self.appender = appender
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
        self.appender.wake(self)
        if closing or not (self._answered or isinstance(event, Start)):
            self._answered = True
            self.appender.hurry()

    async def durable(self, at_most: int = 0) -> None:
        """Wait until no more than *at_most* events are unacknowledged, or the writer is fenced."""
        while self.unacknowledged > at_most and not self.fenced:
            self._settled.clear()
            await self._settled.wait()

    def verify(self, log_length: int) -> None:
        """The log was seen with *log_length* events: write again what is missing."""
        self._acked = min(log_length, self._acked)
        if self.unacknowledged and not self.fenced:
            self.appender.wake(self)

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
            self.appender.wake(self)


class Line(Protocol):
    """What an appender needs of `shared/append_line.py`."""

    def append(self, batches: Sequence[Batch], answered: Answered) -> None:
        """Write *batches*; nothing else may be under way."""

    async def lost(self) -> None:
        """Raises `BrokerUnavailable` once the line is of no more use."""


class Appender:
    """
    Owns the process's appends to one primary, one after another over one line; `run` is its task, which keeps
    it open. What fails goes to *hand_on*, for its cell may be elsewhere by now.
    """

    def __init__(
        self,
        line: Callable[[], AbstractAsyncContextManager[Line]],
        settings: Settings,
        hand_on: Callable[[LogWriter], None],
    ) -> None:
        self._open_line = line
        self._hand_on = hand_on
        #: Somebody wants to append, though the line is gone.
        self._wanted = asyncio.Event()
        self._interval_s = settings.append_interval_s
        self._loop = asyncio.get_running_loop()
        self._line: Line | None = None
        self._failures = 0
        self._dirty: dict[LogWriter, None] = {}
        #: The next append, once it is planned.
        self._next: asyncio.Handle | None = None
        self._under_way: list[tuple[LogWriter, Batch]] = []
        #: The loop time of the last append, and until when the pause after it lasts.
        self._began = self._paused_until = 0.0
        #: Among the dirty is one with a first word or an end.
        self._hurried = False
        #: Appends to come that carry one writer each, to find the one that the broker refuses.
        self._alone = 0

    def wake(self, writer: LogWriter) -> None:
        """*writer* has something to append."""
        self._dirty[writer] = None
        if self._next is None:
            self._plan()

    def hurry(self) -> None:
        """A first word or an end is waited for: no pause before the next append."""
        self._hurried = True
        self._plan()

    async def run(self) -> None:
        """Append for ever; every failure takes a new connection."""
        while True:
            try:
                async with self._open_line() as self._line:
                    self._plan()
                    await self._line.lost()
            except BrokerUnavailable:
                pass
            finally:
                self._put_down()
            await asyncio.sleep(_BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)])
            self._failures += 1
            # What was a primary may be none any more, and nobody's.
            await self._wanted.wait()

    def _put_down(self) -> None:
        """The line is gone: what was under way is to be appended again."""
        self._line = None
        writers = dict.fromkeys(writer for writer, _ in self._under_way) | self._dirty
        self._dirty, self._under_way = {}, []
        self._wanted.clear()
        if self._next is not None:
            self._next.cancel()
            self._next = None
        for writer in writers:
            self._hand_on(writer)

    def _plan(self) -> None:
        """Append next as soon as may be: once all who are awake by then have had the chance to join in."""
        if self._line is None:
            self._wanted.set()
        if self._line is None or self._under_way or not self._dirty:
            return
        if self._next is not None:
            self._next.cancel()
        if self._hurried or self._loop.time() >= self._paused_until:
            self._next = self._loop.call_soon(self._append)
        else:
            self._next = self._loop.call_at(self._paused_until, self._append)

    def _append(self) -> None:
        self._next = None
        writers = self._take()
        if self._line is None or not writers:
            self._plan()
            return
        self._began = self._loop.time()
        batches = [writer.batch() for writer in writers]
        self._under_way = list(zip(writers, batches, strict=True))
        self._line.append(batches, self._answered)

    def _answered(self, answers: list[Appended] | BrokerRefused) -> None:
        under_way, self._under_way = self._under_way, []
        self._failures = 0
        if isinstance(answers, BrokerRefused):
            self._refused([writer for writer, _ in under_way])
            return
        appended = sum(len(batch.entries) for _, batch in under_way)
        metrics.append_batch.observe(appended)
        # What is made meanwhile shares the next round trip; a full batch must not wait.
        full = len(under_way) == _MAX_BATCHES
        self._paused_until = self._began + (0 if full else self._pause_s(appended))
        written = 0
        for (writer, batch), answer in zip(under_way, answers, strict=True):
            writer.settle(batch, answer)
            written += len(batch.entries) if answer.status == "ok" else 0
        metrics.events_appended.inc(written)
        self._plan()

    def _pause_s(self, appended: int) -> float:
        """
        From the beginning of an append with so many events to the next: under load it saves a round trip
        for many, which is worth a few milliseconds; for one event alone it would be delay for nothing.
        """
        return self._interval_s * min(1.0, appended / _MANY_EVENTS)

    def _refused(self, writers: list[LogWriter]) -> None:
        """One of *writers* cannot be served: it gives up, the others must not suffer."""
        if len(writers) == 1:
            logger.error("a log cannot be written", generation=writers[0].generation_id)
            writers[0].fence()
        else:
            self._alone = len(writers)
            for writer in writers:
                self.wake(writer)
        self._plan()

    def _take(self) -> list[LogWriter]:
        writers = list(islice(self._dirty, 1 if self._alone else _MAX_BATCHES))
        self._alone = max(0, self._alone - 1)
        for writer in writers:
            del self._dirty[writer]
        if not self._dirty:
            self._hurried = False
        return [writer for writer in writers if not writer.fenced]
