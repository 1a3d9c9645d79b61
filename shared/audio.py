"""
The sound of speeches: a stream beside each speech's log, with bounds and a time to live of its own.

A piece is written before the event that names it. Writing is fenced and can be repeated, as an append is.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from shared import keys
from shared.broker import Broker


class Kept(NamedTuple):
    """What became of pieces; see `lua/audio.lua`."""

    status: Literal["ok", "fenced", "short", "missing"]
    #: Pieces of this attempt that are there now.
    pieces: int


class AudioLog:
    """The sound of all speeches of one broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def add(self, generation_id: str, lease: str, first: int, pieces: Sequence[bytes]) -> Kept:
        """
        Keep *pieces*, of which the first is number *first* of its attempt, from 1. Raises
        `BrokerUnavailable`; then it may be repeated.
        """
        cell = self._broker.cells.of_generation(generation_id)
        status, count = await self._broker.run("audio", cell, [generation_id, lease, first, *pieces])
        return Kept(status.decode(), count)

    async def count(self, generation_id: str) -> int:
        """How many pieces there are. Raises `BrokerUnavailable`."""
        cell = self._broker.cells.of_generation(generation_id)
        return int(await self._broker.call("sounds", cell, "XLEN", cell.key(keys.AUDIO, generation_id)))

    async def piece(self, generation_id: str, place: str) -> bytes | None:
        """
        The piece at `<attempt>-<number>`; None where it is not there (yet, or any more). Raises
        `BrokerUnavailable`.
        """
        cell = self._broker.cells.of_generation(generation_id)
        key = cell.key(keys.AUDIO, generation_id)
        found = await self._broker.call("sound", cell, "XRANGE", key, place, place)
        return bytes(found[0][1][b"e"]) if found else None
