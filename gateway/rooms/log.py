"""
A room's log in the broker: what was said and streamed there, in one order for all, each thing once.

Whoever joins late, or comes back, reads it from where they are. An entry's position is `<life>-<n>`: the
moment when the room was made, by which it is unlike every other, and a number that is dense from 1.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple

from shared import keys
from shared.broker import Broker
from shared.cells import Cell, id_in, room_digest
from shared.errors import IdempotencyMismatch, InvalidRequest, NotFound, TooBusy
from shared.settings import Settings

#: It asks for a reply, ends one, or is told to who is there now and kept in no log.
Flag = Literal["asks", "ends", "fleeting", ""]

_POSITION = re.compile(r"([1-9]\d{0,15})-(0|[1-9]\d{0,15})", re.ASCII)

#: What one read gives at most.
PAGE = 500


class RoomPosition(NamedTuple):
    """An entry's place; number 0 is before the first."""

    life: str
    number: int


class Said(NamedTuple):
    """An entry to be: its JSON, what tells it from its repetition, and what it means for the reply."""

    entry: bytes
    once: str = ""
    flag: Flag = ""


class UnderWay(NamedTuple):
    """A reply under way: the entries it answers, and the last position of its own that the room's log has."""

    generation_id: str
    first: int
    last: int
    said: str


class Meeting(NamedTuple):
    """
    Whether this gateway carries the reply over, the log's last number (-1: no room), which life of the room
    it is, and who is there.
    """

    carries: bool
    top: int
    life: str
    members: list[bytes]


class Member(NamedTuple):
    """Somebody there, with the entries that say so, and by what the id is held: see `identity`."""

    id: str
    joined: bytes
    left: bytes
    #: '' where nobody could tell that they are the same one again.
    held_by: str


class Wanted(NamedTuple):
    """An id to go by, the name that is shown with it, and what marks that where another has it; folded."""

    id: str
    name: str
    mark: str


class Room:
    """One room's keys. `id` stands where generations' ids do: it names its channel, and its cell."""

    def __init__(self, broker: Broker, settings: Settings, name: str, owner: str) -> None:
        self._broker = broker
        self.name = name
        #: The keyspace's owner of the room's conversation.
        self.owner = owner
        self.cell: Cell = broker.cells.of_conversation(owner, name)
        self.id = id_in(broker.cells, self.cell, room_digest(owner, name))
        self._ttl = settings.conversation_ttl_s * 1000
        self._most = settings.room_entries

    async def open(self, fields: dict[str, str]) -> tuple[dict[str, str], bool]:
        """Make it, unless it is there; gives its fields, and whether it is new."""
        # Its id tells neither: `headrace move` asks.
        named = {**fields, "owner": self.owner, "name": self.name}
        given = [text for field in named.items() for text in field]
        raw, new = await self._broker.run("room_open", self.cell, [self.id, self._ttl, *given])
        pairs = [text.decode() for text in raw]
        return dict(zip(pairs[::2], pairs[1::2], strict=True)), bool(new)

    async def enter(
        self, wanted: Sequence[Wanted], proofs: Sequence[str], lease_ms: int, *, surely: bool
    ) -> tuple[str, str, int] | None:
        """
        The first of the *wanted* ids that nobody else there goes by, held for whoever has one of *proofs*, by
        which, and how many marks tell its name from others'; None where there is none. With *surely* it is
        the first id, whoever has it.
        """
        args: list[str | bytes | int] = [self.id, lease_ms, int(surely), len(proofs), *proofs]
        found = await self._broker.run("room_enter", self.cell, [*args, *chain.from_iterable(wanted)])
        return None if found is None else (found[0].decode(), found[1].decode(), int(found[2]))

    async def fields(self) -> dict[str, str]:
        """All its fields; none where there is no room."""
        raw = await self._broker.call("room", self.cell, "HGETALL", self.cell.key(keys.ROOM, self.id))
        return {name.decode(): value.decode() for name, value in raw.items()}

    async def change(self, fields: Mapping[str, str]) -> None:
        """Set *fields*; an empty one is deleted."""
        key = self.cell.key(keys.ROOM, self.id)
        commands = [
            ("HSET", key, name, value) if value else ("HDEL", key, name) for name, value in fields.items()
        ]
        await self._broker.pipe("room", self.cell, commands)

    async def say(self, said: Sequence[Said], generation_id: str = "") -> int:
        """
        Write *said*, pieces of *generation_id*'s reply if given; gives how many were new. Raises `NotFound`
        without a room, and `TooBusy` where as many messages as may wait for an answer already.
        """
        args: list[str | bytes | int] = [self.id, self._ttl, self._most, generation_id]
        for entry in said:
            args += entry
        top, written = await self._broker.run("room_say", self.cell, args)
        if top == -1:
            raise NotFound("This room has gone; come again.", field="room_id")
        if top == -2:
            raise TooBusy("As many messages wait for an answer here as may.", retry_after_s=5)
        if top == -3:
            raise IdempotencyMismatch("Another message of yours had this `id`.", field="id")
        return int(written)

    async def clear(self, entry: bytes, stopped: bytes, ending: Sequence[bytes | str]) -> list[bytes]:
        """
        Let go of all that was said, in the log and in the model's memory; *entry* says so, *stopped* that the
        reply under way ends with it. Gives what `Generations.settle_stopped` is to have. Raises `NotFound`
        without a room.
        """
        args = [self.id, self._ttl, self.owner, self.name, entry, stopped, *ending]
        answer: list[bytes] | None = await self._broker.run("room_clear", self.cell, args)
        if answer is None:
            raise NotFound("This room has gone; come again.", field="room_id")
        return answer

    async def begin(self, generation_id: str, entry: bytes) -> UnderWay | None:
        """The reply under way, begun as *generation_id* if somebody waits for one; None when nobody does."""
        answer = await self._broker.run(
            "room_begin", self.cell, [self.id, generation_id, self._ttl, entry, self._most]
        )
        if not answer:
            return None
        active, first, last, position = (text.decode() for text in answer)
        return UnderWay(active, int(first), int(last), position)

    async def meet(
        self, gateway: str, lease_ms: int, here: Sequence[Member], left: Sequence[Member]
    ) -> Meeting:
        """*here* are there for *lease_ms* from now, *left* are not any more."""
        args: list[str | bytes | int] = [self.id, gateway, lease_ms, self._ttl, self._most, len(here)]
        for member in (*here, *left):
            args += member
        carries, top, life, *members = await self._broker.run("room_meet", self.cell, args)
        return Meeting(bool(carries), top, life.decode(), members)

    async def read(self, after: int, before: int | None = None) -> list[tuple[int, bytes]]:
        """The entries after number *after*, and up to *before*; `PAGE` at most."""
        until = "+" if before is None else f"1-{before}"
        key = self.cell.key(keys.ROOM_LOG, self.id)
        raw = await self._broker.call(
            "room_read", self.cell, "XRANGE", key, f"(1-{after}", until, "COUNT", PAGE
        )
        return [(number_of(entry[0]), entry[1][b"e"]) for entry in raw]


def position_of(said: str | None) -> RoomPosition:
    """What a client says; the beginning where it says none. Raises `InvalidRequest`."""
    if not said:
        return RoomPosition("", 0)
    match = _POSITION.fullmatch(said)
    if match is None:
        raise InvalidRequest(
            "`after` is a position of this room's log, like 1785000000000-17.", field="after"
        )
    return RoomPosition(match[1], int(match[2]))


def number_of(position: bytes) -> int:
    """`1-17` -> 17"""
    return int(position.partition(b"-")[2])


def lines(payload: bytes) -> Iterable[tuple[int | None, bytes]]:
    """What a push says: entries with their numbers, without one what is in no log."""
    for line in payload.split(b"\n"):
        position, _, entry = line.partition(b" ")
        yield (None if position == b"-" else number_of(position)), entry
