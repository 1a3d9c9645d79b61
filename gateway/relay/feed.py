"""
One attached generation in this process: joins replay and live for all its subscribers.

Whoever reads the log to its end becomes live in the same step, so nothing falls between. Frames are
encoded once a dialect. An event that does not follow the last one sends its readers to the log.
"""

import time

from gateway.relay.dialect import Dialect, Encoder
from gateway.relay.replay_gate import Turns
from gateway.relay.subscriber import Subscriber
from shared import events, metrics
from shared.event_log import Entry, EventLog
from shared.generation import Generation
from shared.position import Position


class Feed:
    """Its subscribers, and the last position it has heard of."""

    def __init__(self, generation: Generation, log: EventLog, turns: Turns) -> None:
        self.generation = generation
        self.log = log
        self.turns = turns
        self.subscribers: set[Subscriber] = set()
        self._live: dict[Dialect, tuple[Encoder, set[Subscriber]]] = {}
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
        if not self._live:
            return
        if last is None or position != last.next():
            if last is not None and position.attempt == last.attempt:
                metrics.gaps_healed.inc()
            self.heal()
            return
        event = events.decode(raw)
        for encoder, subscribers in list(self._live.values()):
            frames = encoder.encode(position, event)
            for subscriber in list(subscribers):
                subscriber.push(frames, position, event)

    def join(self, subscriber: Subscriber, encoder: Encoder, page: list[Entry]) -> None:
        """*subscriber* has read the log to its end: it is live, unless something came meanwhile."""
        if self.position is not None and self.position > subscriber.cursor:
            return
        for entry in page:
            self.deliver(entry)
        if self.position is None or self.position < subscriber.cursor:
            # It begins ahead of what was pushed: what lies between reaches the others by the log alone.
            self.heal()
            self.position = subscriber.cursor
        _, subscribers = self._live.setdefault(subscriber.dialect, (encoder, set()))
        subscribers.add(subscriber)
        subscriber.live = True

    def begin(self, subscriber: Subscriber) -> None:
        """*subscriber* is live from the very first event on: the log is known to be empty."""
        self.join(subscriber, subscriber.dialect.encoder(self.generation), [])

    def leave_live(self, subscriber: Subscriber) -> None:
        """*subscriber* reads the log from here on, or nothing more."""
        subscriber.live = False
        dialect = subscriber.dialect
        if dialect in self._live:
            self._live[dialect][1].discard(subscriber)
            if not self._live[dialect][1]:
                del self._live[dialect]

    def heal(self) -> None:
        """Something may have been missed: every live reader goes on from the log."""
        for _, subscribers in list(self._live.values()):
            for subscriber in list(subscribers):
                subscriber.fall_behind()
