"""A worker by hand: each of its steps against the real broker, in whatever order a test needs."""

from typing import Any

from shared import events, keys
from shared.broker import Broker
from shared.event_log import Batch, Entry, EventLog
from shared.events import End, Event, Start, Terminal, Text
from shared.outcome import Outcome
from shared.position import Position
from shared.queue import Claim, Queue, Renewed

TEXT = "one two"


class Hand:
    """One worker, of that *nonce*. It remembers each claim of its own and what it has written under it."""

    def __init__(self, broker: Broker, nonce: str, queue: str = "scripted") -> None:
        self._cells = broker.cells
        self._steps = Queue(broker, lease_s=30)
        self._log = EventLog(broker)
        self._nonce = nonce
        self._queue = queue
        self.claims: dict[str, Claim] = {}
        self._written: dict[str, list[Entry]] = {}

    async def claim(
        self, generation_id: str, *, limit: int = 1000, within_s: float | None = None, suspects: int = 1
    ) -> Claim | None:
        """What is due, as `Queue.claim` has it; gives the claim of this one, if it was."""
        cell = self._cells.of_generation(generation_id)
        taken = await self._steps.claim(
            cell, self._queue, limit, self._nonce, queued_within_s=within_s, suspects=suspects
        )
        for claim in taken.claims:
            self.claims[claim.generation.id] = claim
            pages = self._log.pages(claim.generation.id)
            self._written[claim.generation.id] = [entry async for page in pages for entry in page]
            if claim.generation.id == generation_id:
                return claim
        return None

    async def begin(self, generation_id: str) -> None:
        """Claim it, and say something."""
        assert await self.claim(generation_id) is not None
        assert await self.write(generation_id, Start(ts=1, model="scripted"), *said()) == "ok"

    async def write(self, generation_id: str, *new: Event, again: int = 0) -> str:
        """Append *new*, and the last *again* events once more; gives the broker's answer."""
        claim, written = self.claims[generation_id], self._written[generation_id]
        attempt = int(claim.lease.partition(":")[0])
        seq = sum(1 for entry in written if entry.position.attempt == attempt)
        for event in new:
            written.append(Entry(Position(attempt, seq), events.encode(event)))
            seq += 1
        start = len(written) - len(new) - again
        batch = Batch(generation_id, claim.lease, start, written[start:], self._closing(generation_id, new))
        [answer] = await self._log.append([batch])
        return answer.status

    async def renew(self, generation_id: str) -> Renewed:
        """Renew its lease alone."""
        cell = self._cells.of_generation(generation_id)
        [renewed] = await self._steps.renew(cell, [self.claims[generation_id]])
        return renewed

    async def release(self, generation_id: str) -> bool:
        """Hand it back."""
        return await self._steps.release(self.claims[generation_id])

    async def restore(self, generation_id: str) -> bool:
        """Write its record again, and if that was lost its log."""
        restored = await self._steps.restore(self.claims[generation_id])
        if restored:
            await self.write(generation_id, again=len(self._written[generation_id]))
        return restored

    def _closing(self, generation_id: str, new: tuple[Event, ...]) -> bytes:
        if not new or not isinstance(new[-1], Terminal):
            return b""
        outcome = Outcome()
        for entry in self._written[generation_id]:
            outcome.add(events.decode(entry.event))
        return outcome.closing(generation_id, new[-1], str(self._written[generation_id][-1].position))


def said() -> list[Text]:
    """Two deltas, `TEXT` together."""
    return [Text(2, "one"), Text(3, " two")]


def done() -> End:
    """An end like any other."""
    return End(ts=4, finish_reason="stop")


def die(redis: Any, generation_id: str, queue: str = "scripted") -> None:
    """Its worker has been silent for longer than its lease."""
    redis.zadd(keys.QUEUE + queue, {generation_id: 1})


def fail_over(redis: Any, generation_id: str) -> str:
    """Another broker has what this one had, but for the last two events; gives the last of them."""
    *_, first, last = (entry for entry, _ in redis.xrange(keys.LOG + generation_id))
    redis.xdel(keys.LOG + generation_id, first, last)
    redis.hset(keys.RECORD + generation_id, "server", "another")
    return str(last.decode())
