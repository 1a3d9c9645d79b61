"""
One attached generation in this process, and its subscribers: joins replay and live for all of them.

Whoever reads the log to its end becomes live in the same step, so nothing falls between. Frames are
encoded once a dialect. An event that does not follow the last one sends its readers to the log.
"""

import asyncio
import time
from collections.abc import Callable

from gateway.relay.audience import Audience
from gateway.relay.dialect import Dialect, Encoder
from gateway.relay.outbox import Outbox
from gateway.relay.pages import Fill, Page, Pages
from gateway.relay.replay_gate import Turns
from shared import events, metrics
from shared.errors import BrokerUnavailable
from shared.event_log import Entry, EventLog
from shared.events import Audio, End, Error, Event, Picture, Reasoning, Reset, Terminal, Text, ToolCall
from shared.failures import failure
from shared.generation import Generation
from shared.position import ORIGIN, Position

_BROKER_RETRY_S = 0.3


class Feed:
    """Its subscribers, and the last position it has heard of."""

    def __init__(self, generation: Generation, log: EventLog, turns: Turns, pictures: Fill) -> None:
        self.generation = generation
        self.pictures = pictures
        self.turns = turns
        self.pages = Pages(generation, log, turns)
        self.subscribers: set[Subscriber] = set()
        self._audience: Audience[Subscriber] = Audience()
        #: The last position heard, or read by who joined; None before the first.
        self.position: Position | None = None
        self.heard_at = self.checked_at = time.monotonic()
        #: Since when its record is gone, as far as looked.
        self.missing_since: float | None = None

    @property
    def awaited(self) -> bool:
        """Whether a reader waits for more; while its generation is being created, none does yet."""
        return any(subscriber.waiting for subscriber in self.subscribers)

    def deliver(self, entry: Entry) -> None:
        """An event from the channel, or one that a reader of the log saw first."""
        position, raw = entry
        last = self.position
        if last is not None and position <= last:
            return
        self.position = position
        if self._audience.empty:
            return
        if last is None or not position.follows(last):
            if last is not None and position.attempt == last.attempt:
                metrics.gaps_healed.inc()
            self.heal()
            return
        event = events.decode(raw)
        if event is None:
            return
        self._audience.push(position, event)

    def join(self, subscriber: "Subscriber", encoder: Encoder, page: list[Entry]) -> None:
        """*subscriber* has read the log to its end: it is live, unless something came meanwhile."""
        if self.position is not None and self.position > subscriber.cursor:
            return
        for entry in page:
            self.deliver(entry)
        if self.position is None or self.position < subscriber.cursor:
            # It begins ahead of what was pushed: what lies between reaches the others by the log alone.
            self.heal()
            self.position = subscriber.cursor
        self._audience.add(subscriber, encoder)
        subscriber.live = True

    def heard_too_far(self, heard: Position | None, read: Position) -> None:
        """
        The log ends at *read*, as was seen after *heard* had been pushed: what is in no log is not waited
        for. The broker has lost its tail, which its worker will append again, or nobody ever wrote it.
        """
        if heard is not None and heard == self.position and heard > read:
            self.position = read

    def begin(self, subscriber: "Subscriber") -> None:
        """*subscriber* is live from the very first event on: the log is known to be empty."""
        self.join(subscriber, subscriber.dialect.encoder(self.generation), [])

    def leave_live(self, subscriber: "Subscriber") -> None:
        """*subscriber* reads the log from here on, or nothing more."""
        subscriber.live = False
        self._audience.remove(subscriber)

    def fail(self, error: Exception) -> None:
        """End every reader's stream without a terminal event."""
        for subscriber in list(self.subscribers):
            subscriber.fail(error)

    def fail_unended(self, error: Exception) -> None:
        """The log has ended: end the streams of those who are live and have read no end."""
        for subscriber in list(self.subscribers):
            if subscriber.live and not subscriber.ended:
                subscriber.fail(error)

    def heal(self) -> None:
        """Something may have been missed: every live reader goes on from the log."""
        for subscriber in self._audience:
            subscriber.read_log()


class Subscriber:
    """
    One reader of one generation: live, when the feed pushes to it, or reading the log at its own speed.

    `read` and `end` are for its handler, the rest is the feed's side.
    """

    def __init__(
        self,
        feed: Feed,
        dialect: Dialect,
        after: Position,
        outbox: Outbox,
        encoder: Callable[[Generation], Encoder] | None = None,
    ) -> None:
        self._feed = feed
        self.dialect = dialect
        self._encoder = encoder or dialect.encoder
        self._outbox = outbox
        #: The last position handed to the reader, and the last one in the outbox.
        self._written = self._position = after
        #: Encodes the log for this reader alone; None while it is live.
        self._replay: Encoder | None = None
        #: The last position that was replayed.
        self.cursor = after
        self._failure: Exception | None = None
        self._place: int | None = None
        #: The event that ended the stream, which may still have to be read.
        self._ended: Terminal | Reset | None = None
        self.live = False
        #: Whether anything of the answer has been read.
        self.answered = False

    @property
    def generation(self) -> Generation:
        """What it reads."""
        return self._feed.generation

    @property
    def waiting(self) -> bool:
        """Whether its reader has written everything and waits for more."""
        return self._outbox.waiting

    @property
    def ended(self) -> bool:
        """Whether the event that ends its stream has come."""
        return self._ended is not None

    @property
    def finished(self) -> bool:
        """Whether the event that ends its stream, and all before it, has been read."""
        return self._ended is not None and self._outbox.empty

    @property
    def idle_since(self) -> float:
        """When it last had something to write, by the monotonic clock."""
        return self._outbox.idle_since

    @property
    def read_ts(self) -> int | None:
        """When the oldest event of the last read was made, in ms; None for a replay."""
        return self._outbox.taken_ts

    async def read(self) -> bytes:
        """
        The next frames, as soon as there are any; empty after the terminal event.

        Raises `Gone` when the log has expired, `Draining` when this gateway stops, and `AccessEnded` when its
        reader may read no more.
        """
        while True:
            if not self._outbox.empty:
                self._written = self._position
                return self._outbox.take()
            if self._failure is not None:
                raise self._failure
            if self._ended is not None:
                return b""
            if self.live:
                await self._outbox.wait()
            else:
                await self._catch_up()

    async def first_words(self, within_s: float) -> bytes:
        """
        Wait for the answer's first word, or its end, for *within_s* at most; gives all frames up to there.

        Raises as `read`, and the failure of a generation that ends without a word.
        """
        frames: list[bytes] = []
        try:
            async with asyncio.timeout(within_s):
                while not self.answered and (data := await self.read()):
                    frames.append(data)
        except TimeoutError:
            pass
        if isinstance(self._ended, Error) and not self.answered:
            raise failure(self._ended.code, self._ended.message, self._ended.retry_after_s)
        return b"".join(frames)

    async def end(self) -> Terminal:
        """
        Wait for the generation's end, whatever is written meanwhile: nothing else is ever taken for it.

        Raises as `read`. For a dialect that says `reset`, or nothing.
        """
        while not isinstance(self._ended, End | Error):
            await self.read()
        return self._ended

    def push(self, frames: bytes, position: Position, event: Event) -> None:
        """The live event at *position*, encoded. Past its bound, the reader is sent to the log."""
        if not self._outbox.fits(frames):
            metrics.slow_subscribers.inc()
            self._outbox.drop()
            self._position = self._written
            self.read_log()
            return
        self._take(frames, position, event, event.ts)
        if self._ended is not None:
            self._feed.leave_live(self)
        self._outbox.rouse()

    def read_log(self) -> None:
        """From here on it reads the log, after what it has already."""
        self._replay = None
        self._feed.leave_live(self)
        self._outbox.rouse()

    def say(self, frame: bytes) -> None:
        """A control frame, for a reader that has nothing else to write."""
        if frame and self.waiting:
            self._outbox.put(frame)
            self._outbox.rouse()

    def say_place(self, place: int) -> None:
        """Its generation waits at *place* in the queue: news for a reader that has not heard so yet."""
        if self.waiting and not self.answered and place != self._place:
            self._place = place
            self.say(self.dialect.queued(self._feed.generation, place))

    def fail(self, error: Exception) -> None:
        """End the stream without a terminal event, after what is buffered."""
        self._failure = error
        self._feed.leave_live(self)
        self._outbox.rouse()

    def dismiss(self, error: Exception) -> None:
        """It may read nothing more, not even what is buffered; its end, if that has come, it may."""
        if self._ended is None:
            self._outbox.drop()
            self.fail(error)

    def _take(self, frames: bytes, position: Position, event: Event, ts: int | None = None) -> None:
        self._position = position
        self._outbox.put(frames, ts)
        if isinstance(event, Text | Reasoning | ToolCall | Picture | Audio):
            self.answered = True
        elif isinstance(event, End | Error) or (
            isinstance(event, Reset) and frames and not self.dialect.says_reset
        ):
            self._ended = event

    async def _catch_up(self) -> None:
        """Read one page of the log; at its end, go live."""
        if self._replay is None:
            self._replay = self._encoder(self._feed.generation)
            self.cursor = self._position if self.dialect.stateless else ORIGIN
        replay, cursor = self._replay, self.cursor
        try:
            async with self._feed.pages.after(cursor, self._heard) as page, self._feed.turns.encoding:
                if not page.entries:
                    self._feed.heard_too_far(page.heard, cursor)
                if self.dialect.carries_bytes:
                    await page.fill(self._feed.pictures)
                self._hand_over(page, replay)
            return
        except BrokerUnavailable:
            pass
        # Its connection outlives the broker's absence; heartbeats go on meanwhile.
        await self._outbox.wait(_BROKER_RETRY_S)

    def _heard(self) -> Position | None:
        return self._feed.position

    def _hand_over(self, page: Page, replay: Encoder) -> None:
        if self._replay is not replay:
            return
        shares = self.dialect.stateless and self._encoder is self.dialect.encoder
        shared_frames = page.frames(self.dialect) if shares else None
        for at, (position, _) in enumerate(page.entries):
            event = page.events[at]
            self.cursor = position
            if event is None:
                continue
            frames = replay.encode(position, event) if shared_frames is None else shared_frames[at]
            if position > self._position:
                self._take(frames, position, event)
            if self._ended is not None:
                return
        if page.is_last and self._failure is None:
            self._feed.join(self, replay, page.entries)
