"""
The event log: one Redis stream a generation, whose entry ids are the positions on the wire.

Appending is idempotent and fenced: what is there already is not written twice, a hole is never
written over, and whoever lost its lease writes nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, NamedTuple

from shared import keys
from shared.broker import Broker
from shared.cells import Cell, Cells
from shared.position import ORIGIN, Position
from shared.steps import Step

#: Decoding so many takes a few milliseconds, in any dialect.
_PAGE = 200


class Entry(NamedTuple):
    """One event in its log, still encoded."""

    position: Position
    event: bytes


class Batch(NamedTuple):
    """The next events of one generation, and what becomes of it if the last of them is terminal."""

    generation_id: str
    lease: str
    #: Events in the log before the first of these, all attempts counted.
    start: int
    entries: Sequence[Entry]
    closing: bytes = b""


class Appended(NamedTuple):
    """What became of a batch; see `lua/append.lua` for the four answers."""

    status: Literal["ok", "fenced", "short", "missing"]
    #: Events now in the log.
    length: int


UNANSWERED = Appended("short", 0)


class EventLog:
    """All logs of one broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def append(self, batches: Sequence[Batch]) -> list[Appended]:
        """
        Write *batches* to their logs in one round trip, in order per generation.

        An answer `fenced` means a newer attempt owns that generation: nothing of it was written or
        published, and its worker must stop generating. Raises `BrokerUnavailable` when Redis did
        not answer; every append may then be repeated safely.
        """
        answers: list[Appended] = [UNANSWERED] * len(batches)
        for part in parts_of(batches, self._broker.cells):
            reply = await self._broker.run(part.step, part.cell, part.args)
            for i, answer in zip(part.places, answers_of(reply), strict=True):
                answers[i] = answer
        return answers

    async def read(self, generation_id: str, after: Position = ORIGIN, count: int = 500) -> list[Entry]:
        """At most *count* entries after *after*, oldest first; none when the log is gone."""
        start = "-" if after == ORIGIN else f"({after}"
        cell = self._broker.cells.of_generation(generation_id)
        entries = await self._broker.call(
            "read", cell, "XRANGE", cell.key(keys.LOG, generation_id), start, "+", "COUNT", count
        )
        return [_entry(raw) for raw in entries]

    async def pages(self, generation_id: str) -> AsyncIterator[list[Entry]]:
        """
        The whole log in pages, oldest first: whoever decodes one before asking for the next holds up nobody,
        however long the log is.
        """
        after = ORIGIN
        while page := await self.read(generation_id, after, _PAGE):
            yield page
            after = page[-1].position
            # An answer that has come already is read without giving others their turn.
            await asyncio.sleep(0)

    async def top(self, generation_id: str) -> Position | None:
        """The last position of a log, or None when it is empty or gone."""
        cell = self._broker.cells.of_generation(generation_id)
        entries = await self._broker.call(
            "top", cell, "XREVRANGE", cell.key(keys.LOG, generation_id), "+", "-", "COUNT", 1
        )
        return Position.of(entries[0][0]) if entries else None


class Part(NamedTuple):
    """One run of a script: the batches of one cell, by their places among all of them."""

    step: Step
    cell: Cell
    places: list[int]
    args: list[str | bytes | int]


def parts_of(batches: Sequence[Batch], cells: Cells) -> list[Part]:
    """What is to be run for *batches*; those that end by themselves, for theirs is another script."""
    parts: list[Part] = []
    for cell, places in cells.grouped(batch.generation_id for batch in batches).items():
        those: dict[Step, list[int]] = {
            "append": [i for i in places if not batches[i].closing],
            "append_last": [i for i in places if batches[i].closing],
        }
        parts += [
            Part(step, cell, some, _arguments_of([batches[i] for i in some]))
            for step, some in those.items()
            if some
        ]
    return parts


def _arguments_of(batches: Sequence[Batch]) -> list[str | bytes | int]:
    args: list[str | bytes | int] = []
    for batch in batches:
        args += (batch.generation_id, batch.lease, batch.start, len(batch.entries), batch.closing)
        for position, event in batch.entries:
            args += (f"{position[0]}-{position[1]}", event)
    return args


def answers_of(reply: Sequence[Any]) -> list[Appended]:
    """What it gave."""
    return [Appended(reply[i].decode(), reply[i + 1]) for i in range(0, len(reply), 2)]


def _entry(raw: Any) -> Entry:
    entry_id, fields = raw
    return Entry(Position.of(entry_id), fields[b"e"])
