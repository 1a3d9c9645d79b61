"""
All attached generations of a gateway process, over one live connection.

The channel carries events for speed, the log is the truth: after a reconnect, and after each silent
heartbeat interval, feeds are compared with their logs, so a lost push heals itself.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import msgspec
import structlog

from gateway.relay.dialect import Dialect, Encoder
from gateway.relay.feed import Feed, Subscriber
from gateway.relay.heartbeat import RESTORED_WITHIN_S, Heartbeat
from gateway.relay.live import Live
from gateway.relay.outbox import Outbox
from gateway.relay.replay_gate import Turns
from shared.blobs import Blobs
from shared.broker import Broker
from shared.cells import Cell
from shared.errors import Draining, Internal, InvalidRequest
from shared.event_log import Entry, EventLog
from shared.events import Picture
from shared.generation import Generation
from shared.generations import Generations
from shared.position import ORIGIN, Position
from shared.settings import Settings
from shared.skipped import skipped

logger = structlog.get_logger("gateway.relay.relay")

#: How long a reader may be ahead of its log: what a worker needs to see that the broker has lost a tail.
AHEAD_WAIT_S = 2.0
AHEAD_POLL_S = 0.25
#: More than the time between two renewals.
_LINGER_LEASES = 0.4


class Relay:
    """`run` is its task; `subscribe` is for handlers."""

    def __init__(self, broker: Broker, generations: Generations, settings: Settings) -> None:
        self._settings = settings
        self._log = EventLog(broker)
        self._blobs = Blobs(broker)
        self._turns = Turns()
        self._feeds: dict[str, Feed] = {}
        self._heartbeat = Heartbeat(broker, generations, settings, self._feeds)
        self._live = Live(broker, self._heard, self._subscribed)
        self._draining = False
        #: Subscribers in this process.
        self.open_streams = 0

    def settling(self, generation_id: str) -> bool:
        """Whether a worker may still be about to write again what a broker lost of it while it was away."""
        return self._live.away_within(generation_id, RESTORED_WITHIN_S)

    async def arrive(self) -> None:
        """The turn of one that comes back to a stream: of a crowd one by one, what is live in between."""
        await self._turns.arrive()

    @property
    def empty(self) -> bool:
        """Whether nothing is attached."""
        return not self._feeds

    @asynccontextmanager
    async def subscribe(
        self,
        generation: Generation,
        dialect: Dialect,
        after: Position = ORIGIN,
        *,
        encoder: Callable[[Generation], Encoder] | None = None,
        fresh: bool = False,
    ) -> AsyncGenerator[Subscriber, None]:
        """
        Read *generation* after *after*, in *dialect*, for as long as the block lasts.

        Its replay is made by *encoder*, if one is given: one that leaves out what this reader has. A
        *fresh* generation is created within the block: its log is empty and need not be read.
        Raises `BrokerUnavailable` when the channel cannot be subscribed, `Draining` at the end,
        `InvalidRequest` when *after* is ahead of the log.
        """
        if self._draining:
            raise Draining(retry_after_s=1)
        feed = self._feeds.get(generation.id)
        if feed is None:
            feed = self._feeds[generation.id] = Feed(generation, self._log, self._turns, self.filled)
        outbox = Outbox(self._settings.subscriber_buffer_bytes)
        subscriber = Subscriber(feed, dialect, after, outbox, encoder)
        feed.subscribers.add(subscriber)
        self.open_streams += 1
        try:
            await self._live.subscribe(generation.id)
            if fresh:
                feed.begin(subscriber)
            elif after != ORIGIN:
                await self._bound(feed, after)
            yield subscriber
        finally:
            self.open_streams -= 1
            feed.leave_live(subscriber)
            feed.subscribers.discard(subscriber)
            if not feed.subscribers:
                del self._feeds[generation.id]
                # Its worker counts listeners three times a lease, and is to see also who came and went.
                lingers = generation.on_disconnect == "cancel"
                self._live.unsubscribe(
                    generation.id, linger_s=_LINGER_LEASES * self._settings.lease_s if lingers else 0
                )

    async def _bound(self, feed: Feed, after: Position) -> None:
        """
        Raises `InvalidRequest` for a position that the log has not reached. A broker that lost a log's tail
        gets it back from the worker, so one that is only just ahead is given that time.
        """
        if feed.position is not None and after <= feed.position:
            return
        wait_until = time.monotonic() + AHEAD_WAIT_S
        while True:
            top = await self._log.top(feed.generation.id)
            if top is not None and after <= top:
                return
            if time.monotonic() > wait_until:
                raise ahead(after, top)
            await asyncio.sleep(AHEAD_POLL_S)

    async def hears(self, cell: Cell) -> None:
        """Returns if it can hear what is published there. Raises `BrokerUnavailable`, caused by why not."""
        await self._live.try_out(cell)

    def away(self) -> list[str]:
        """The primaries that are not heard at present: what is theirs waits for them."""
        return self._live.away()

    async def run(self) -> None:
        """Follow the live connection and look after silent feeds, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._live.run())
            tasks.create_task(self._heartbeat.run())

    async def filled(self, generation: Generation, picture: Picture) -> Picture:
        """*picture* with its bytes, for dialects that carry them; without, where they are kept no longer."""
        kept = await self._blobs.get(generation.owner, picture.part.blob)
        return picture if kept is None else msgspec.structs.replace(picture, data=kept[1])

    def drain(self) -> None:
        """Send readers elsewhere, at their next frame boundary. Those that would not come may read on."""
        self._draining = True
        for feed in self._feeds.values():
            for subscriber in list(feed.subscribers):
                if subscriber.dialect.comes_back:
                    subscriber.fail(Draining())

    def _heard(self, generation_id: str, payload: bytes) -> None:
        feed = self._feeds.get(generation_id)
        if feed is None:
            return
        feed.heard_at = time.monotonic()
        try:
            for line in payload.split(b"\n"):
                position, _, event = line.partition(b" ")
                feed.deliver(Entry(Position.of(position), event))
        except ValueError:
            # A line without a position; whatever it was to tell is in the log.
            skipped("push", "malformed")
            feed.heal()
        except Exception:  # a defect met by one generation must not end every stream of the process
            logger.exception("a generation cannot be relayed", generation=generation_id)
            feed.fail(Internal())

    def _subscribed(self, generation_id: str) -> None:
        feed = self._feeds.get(generation_id)
        if feed is not None:
            feed.heal()


def ahead(after: Position, top: Position | None) -> InvalidRequest:
    """What to say of a position that a log, whose last is *top*, has not reached."""
    at = "is empty" if top is None else f"is at {top}"
    return InvalidRequest(f"{after} is ahead of this stream, which {at}.", field="Last-Event-ID")
