"""Conversations and their messages, bounded in number, bytes and time; the scripts write, this reads."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import chain
from typing import NamedTuple, Self

import msgspec

from shared import keys, messages
from shared.broker import Broker
from shared.cells import Cell
from shared.messages import Message
from shared.outcome import stopped_unbegun

#: Messages read at once where it is not known how many are needed.
_PAGE = 64
#: A broker's scores are exact below 2 ** 53.
_MOST_DIGITS = 15


class Conversation(msgspec.Struct, frozen=True):
    """A conversation's headline. Times are milliseconds since the epoch."""

    id: str
    title: str
    created_ms: int
    updated_ms: int
    #: The generation that answers right now.
    active: str | None = None


class Place(NamedTuple):
    """A conversation's place in its owner's list, the last used first; as a string `<used_ms>-<id>`."""

    used_ms: int
    id: str

    def __str__(self) -> str:
        return f"{self.used_ms}-{self.id}"

    @classmethod
    def parse(cls, written: str) -> Self:
        """Raises `ValueError` for what is not a place."""
        used_ms, _, conversation_id = written.partition("-")
        if not (used_ms.isascii() and used_ms.isdigit() and len(used_ms) <= _MOST_DIGITS and conversation_id):
            raise ValueError("not a place in a list of conversations")
        return cls(int(used_ms), conversation_id)


class Version(msgspec.Struct, frozen=True):
    """A conversation's headline, and what tells it from every other state of this and of any namesake."""

    headline: Conversation
    tag: str


class Conversations:
    """All conversations behind one broker; an owner sees its own alone."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    @property
    def most(self) -> int:
        """So many of an owner are kept."""
        return self._broker.settings.max_conversations

    async def read(self, owner: str, conversation_id: str) -> tuple[Version | None, list[msgspec.Raw]]:
        """A conversation and its messages in one moment, oldest first, still encoded."""
        cell, scope = self._place(owner, conversation_id)
        fields, said = await self._broker.pipe(
            "messages",
            cell,
            [
                ("HGETALL", cell.key(keys.CONVERSATION, scope)),
                ("LRANGE", cell.key(keys.MESSAGES, scope), 0, -1),
            ],
            transaction=True,
        )
        return _version(conversation_id, fields), [msgspec.Raw(item) for item in said]

    async def pages(self, owner: str, conversation_id: str) -> AsyncIterator[list[Message]]:
        """The newest messages, then those before them, …, each page oldest first."""
        cell, scope = self._place(owner, conversation_id)
        read = 0
        while True:
            page = await self._broker.call(
                "messages", cell, "LRANGE", cell.key(keys.MESSAGES, scope), -read - _PAGE, -read - 1
            )
            if page:
                yield [messages.decode(item) for item in page]
            if len(page) < _PAGE:
                return
            read += _PAGE

    async def version(self, owner: str, conversation_id: str) -> Version | None:
        """Without its messages; None where there is no such conversation."""
        cell, scope = self._place(owner, conversation_id)
        fields = await self._broker.call("conversation", cell, "HGETALL", cell.key(keys.CONVERSATION, scope))
        return _version(conversation_id, fields)

    async def load(self, owner: str, conversation_id: str) -> Conversation | None:
        """The headline, or None where there is no such conversation."""
        version = await self.version(owner, conversation_id)
        return None if version is None else version.headline

    async def rename(self, owner: str, conversation_id: str, title: str) -> bool:
        """Give it another title; False where there is no such conversation."""
        cell, _ = self._place(owner, conversation_id)
        return bool(await self._broker.run("rename", cell, [owner, conversation_id, title]))

    async def remove(self, owner: str, conversation_id: str) -> list[bytes] | None:
        """
        Delete it, and stop what answers it or waits to; gives what `Generations.settle_stopped` is to have.
        None where there is no such conversation.
        """
        cell, _ = self._place(owner, conversation_id)
        ending = stopped_unbegun("user")
        stopped: list[bytes] | None = await self._broker.run(
            "remove", cell, [owner, conversation_id, *ending]
        )
        return stopped

    async def answering(self, owner: str, conversation_id: str) -> list[str]:
        """The active generation's id, then those that wait for it, oldest first."""
        cell, scope = self._place(owner, conversation_id)
        active, waiting = await self._broker.pipe(
            "answering",
            cell,
            [
                ("HGET", cell.key(keys.CONVERSATION, scope), "active"),
                ("LRANGE", cell.key(keys.NEXT, scope), 0, -1),
            ],
            transaction=True,
        )
        return [raw.decode() for raw in (*([active] if active else ()), *waiting)]

    async def recent(
        self, owner: str, count: int, before: Place | None = None
    ) -> tuple[list[tuple[Place, Conversation]], Place | None]:
        """
        At most *count* of an owner's conversations, the last used first, with their places; and the place
        to go on from, None where the list ends. *before*: only those further down than this place.
        """
        cells = self._broker.cells
        found = await asyncio.gather(*(self._recent_in(cell, owner, count, before) for cell in cells))
        if len(cells) > 1:
            # What was last used in the same millisecond is ordered by id, as within one cell.
            found = [sorted(chain.from_iterable(found), key=_last_used_first, reverse=True)]
        rows = found[0]
        more = rows[count - 1][0] if len(rows) > count else None
        listed = [(place, _headline(place.id, fields)) for place, fields in rows[:count] if fields]
        return listed, more

    async def _recent_in(
        self, cell: Cell, owner: str, count: int, before: Place | None
    ) -> list[tuple[Place, dict[bytes, bytes]]]:
        """At most *count* + 1 of those in *cell*, as the broker has them."""
        places = await self._places(cell, owner, count + 1, before)
        if not places:
            return []
        commands = [("HGETALL", cell.key(keys.CONVERSATION, f"{owner}:{place.id}")) for place in places]
        return list(zip(places, await self._broker.pipe("conversations", cell, commands), strict=True))

    async def _places(self, cell: Cell, owner: str, count: int, before: Place | None) -> list[Place]:
        key = cell.key(keys.CONVERSATIONS, owner)
        if before is None:
            listed = await self._broker.call(
                "conversations", cell, "ZREVRANGE", key, 0, count - 1, "WITHSCORES"
            )
            found = _scored(listed)
        else:
            at = before.used_ms
            same, further = await self._broker.pipe(
                "conversations",
                cell,
                [
                    # What was last used in the same millisecond is ordered by id.
                    ("ZREVRANGEBYSCORE", key, at, at, "WITHSCORES"),
                    ("ZREVRANGEBYSCORE", key, f"({at}", "-inf", "WITHSCORES", "LIMIT", 0, count),
                ],
                transaction=True,
            )
            found = [place for place in _scored(same) if place.id < before.id] + _scored(further)
        return found[:count]

    def _place(self, owner: str, conversation_id: str) -> tuple[Cell, str]:
        """The cell, and what follows the names of the conversation's keys there."""
        return self._broker.cells.of_conversation(owner, conversation_id), f"{owner}:{conversation_id}"


def _scored(flat: Sequence[bytes]) -> list[Place]:
    return [Place(int(float(score)), raw.decode()) for raw, score in zip(flat[::2], flat[1::2], strict=True)]


def _last_used_first(row: tuple[Place, dict[bytes, bytes]]) -> tuple[int, bytes]:
    place, _ = row
    return place.used_ms, place.id.encode()


def _version(conversation_id: str, fields: dict[bytes, bytes]) -> Version | None:
    if not fields:
        return None
    # The revision alone is not enough: a namesake counts anew, and so does a broker that lost its tail.
    tag = b"-".join(fields.get(name, b"0") for name in (b"created_ms", b"updated_ms", b"revision"))
    return Version(_headline(conversation_id, fields), tag.decode())


def _headline(conversation_id: str, fields: dict[bytes, bytes]) -> Conversation:
    return Conversation(
        id=conversation_id,
        title=fields.get(b"title", b"").decode(),
        created_ms=int(fields.get(b"created_ms", 0)),
        updated_ms=int(fields.get(b"updated_ms", 0)),
        active=fields[b"active"].decode() if b"active" in fields else None,
    )
