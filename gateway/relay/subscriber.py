"""
One reader of one generation: a bounded list of ready frames and a wake-up.

It is either live, and the feed pushes to it, or it reads the log at its own speed.
"""

import asyncio
import time
from typing import TYPE_CHECKING

from gateway.relay.dialect import Dialect, Encoder
from shared import events, metrics
from shared.errors import BrokerUnavailable
from shared.event_log import Entry
from shared.events import End, Error, Event, Reasoning, Reset, Text, ToolCall
from shared.position import ORIGIN, Position

if TYPE_CHECKING:
    from gateway.relay.feed import Feed

#: Entries read from a log at a time.
_PAGE = 500
_BROKER_RETRY_S = 0.3


class Subscriber:
    """`read` gives bytes that are ready to be written; the rest is the feed's side."""

    def __init__(self, feed: "Feed", dialect: Dialect, after: Position, buffer_bytes: int) -> None:
        self._feed = feed
        self.dialect = dialect
        self._buffer_bytes = buffer_bytes
        #: The last position handed to the reader, and the last one in `_frames`.
        self._written = self._position = after
        self._frames: list[bytes] = []
        self._size = 0
        self._encoder: Encoder | None = None
        #: The last position `_encoder` has seen.
        self.cursor = after
        #: Kept because asking for it is a system call, and this is done for every event.
        self._loop = asyncio.get_running_loop()
        self._wake: asyncio.Future[None] | None = None
        self._oldest_ts: int | None = None
        self._ended = False
        self._failure: Exception | None = None
        self._place: int | None = None
        self.live = False
        self.idle_since = time.monotonic()
        #: When the oldest event of the last read was made, in ms; None for a replay.
        self.read_ts: int | None = None
        #: Whether anything of the answer has been read.
        self.answered = False

    @property
    def waiting(self) -> bool:
        """Whether its reader has written everything and waits for more."""
        return self._wake is not None

    async def read(self) -> bytes:
        """
        The next frames, as soon as there are any; empty after the terminal event.

        Raises `Gone` when the log has expired, and `Draining` when this gateway stops.
        """
        while True:
            if self._frames:
                data = b"".join(self._frames)
                self._frames.clear()
                self._size = 0
                self._written = self._position
                self.read_ts, self._oldest_ts = self._oldest_ts, None
                self.idle_since = time.monotonic()
                return data
            if self._failure is not None:
                raise self._failure
            if self._ended:
                return b""
            if self.live:
                await self._woken()
            else:
                await self._catch_up()

    def push(self, frames: bytes, position: Position, event: Event) -> None:
        """The live event at *position*, encoded. Past its bound, the reader is sent to the log."""
        if self._frames and self._size + len(frames) > self._buffer_bytes:
            metrics.slow_subscribers.inc()
            self._frames.clear()
            self._size = 0
            self._position = self._written
            self.fall_behind()
            return
        if self._oldest_ts is None:
            self._oldest_ts = event.ts
        self._take(frames, position, event)
        if self._ended:
            self._feed.leave_live(self)
        self._rouse()

    def fall_behind(self) -> None:
        """From here on it reads the log, behind what it has already."""
        self._encoder = None
        self._feed.leave_live(self)
        self._rouse()

    def say(self, frame: bytes) -> None:
        """A control frame, for a reader that has nothing else to write."""
        if frame and self.waiting:
            self._frames.append(frame)
            self._rouse()

    def say_place(self, place: int) -> None:
        """Its generation waits at *place* in the queue: news for a reader that has not heard so yet."""
        if self.waiting and not self.answered and place != self._place:
            self._place = place
            self.say(self.dialect.queued(self._feed.generation, place))

    def fail(self, error: Exception) -> None:
        """End the stream without a terminal event, after what is buffered."""
        self._failure = error
        self._feed.leave_live(self)
        self._rouse()

    def _take(self, frames: bytes, position: Position, event: Event) -> None:
        self._position = position
        if frames:
            self._frames.append(frames)
            self._size += len(frames)
        if isinstance(event, Text | Reasoning | ToolCall):
            self.answered = True
        elif isinstance(event, Reset):
            self._ended = bool(frames) and not self.dialect.says_reset
        elif isinstance(event, End | Error):
            self._ended = True

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _woken(self, timeout_s: float | None = None) -> None:
        self._wake = self._loop.create_future()
        timer = self._loop.call_later(timeout_s, self._rouse) if timeout_s is not None else None
        try:
            await self._wake
        finally:
            self._wake = None
            if timer is not None:
                timer.cancel()

    async def _catch_up(self) -> None:
        """Read one page of the log; at its end, go live."""
        if self._encoder is None:
            self._encoder = self.dialect.encoder(self._feed.generation)
            self.cursor = self._position if self.dialect.stateless else ORIGIN
        encoder = self._encoder
        async with self._feed.turns.pages:
            try:
                page = await self._feed.log.read(self._feed.generation.id, self.cursor, _PAGE)
                async with self._feed.turns.encoding:
                    self._hand_over(page, encoder)
                return
            except BrokerUnavailable:
                pass
        # Its connection outlives the broker's absence; heartbeats go on meanwhile.
        await self._woken(_BROKER_RETRY_S)

    def _hand_over(self, page: list[Entry], encoder: Encoder) -> None:
        if self._encoder is not encoder:
            return
        for position, raw in page:
            event = events.decode(raw)
            frames = encoder.encode(position, event)
            self.cursor = position
            if position > self._position:
                self._take(frames, position, event)
            if self._ended:
                return
        if len(page) < _PAGE and self._failure is None:
            self._feed.join(self, encoder, page)
