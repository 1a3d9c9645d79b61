"""Conversations and their messages, bounded in number, bytes and time; the scripts write, this reads."""

from collections.abc import AsyncIterator
from typing import NamedTuple, Self

import msgspec

from shared import keys, messages
from shared.broker import Broker
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
        scope = f"{owner}:{conversation_id}"
        async with self._broker.watch("messages"), self._broker.redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(keys.CONVERSATION + scope)
            pipe.lrange(keys.MESSAGES + scope, 0, -1)
            fields, said = await pipe.execute()
        return _version(conversation_id, fields), [msgspec.Raw(item) for item in said]

    async def pages(self, owner: str, conversation_id: str) -> AsyncIterator[list[Message]]:
        """The newest messages, then those before them, …, each page oldest first."""
        read = 0
        while True:
            async with self._broker.watch("messages"):
                page = await self._broker.redis.lrange(  # type: ignore[misc]
                    f"{keys.MESSAGES}{owner}:{conversation_id}", -read - _PAGE, -read - 1
                )
            if page:
                yield [messages.decode(item) for item in page]
            if len(page) < _PAGE:
                return
            read += _PAGE

    async def version(self, owner: str, conversation_id: str) -> Version | None:
        """Without its messages; None where there is no such conversation."""
        async with self._broker.watch("conversation"):
            fields = await self._broker.redis.hgetall(f"{keys.CONVERSATION}{owner}:{conversation_id}")  # type: ignore[misc]
        return _version(conversation_id, fields)

    async def load(self, owner: str, conversation_id: str) -> Conversation | None:
        """The headline, or None where there is no such conversation."""
        version = await self.version(owner, conversation_id)
        return None if version is None else version.headline

    async def rename(self, owner: str, conversation_id: str, title: str) -> bool:
        """Give it another title; False where there is no such conversation."""
        return bool(await self._broker.run("rename", [owner, conversation_id, title]))

    async def remove(self, owner: str, conversation_id: str) -> list[bytes] | None:
        """
        Delete it, and stop what answers it or waits to; gives what `Generations.settle_stopped` is to have.
        None where there is no such conversation.
        """
        ending = stopped_unbegun("user")
        stopped: list[bytes] | None = await self._broker.run("remove", [owner, conversation_id, *ending])
        return stopped

    async def answering(self, owner: str, conversation_id: str) -> list[str]:
        """The active generation's id, then those that wait for it, oldest first."""
        scope = f"{owner}:{conversation_id}"
        redis = self._broker.redis
        async with self._broker.watch("answering"), redis.pipeline(transaction=True) as pipe:
            pipe.hget(keys.CONVERSATION + scope, "active")
            pipe.lrange(keys.NEXT + scope, 0, -1)
            active, waiting = await pipe.execute()
        return [raw.decode() for raw in (*([active] if active else ()), *waiting)]

    async def recent(
        self, owner: str, count: int, before: Place | None = None
    ) -> tuple[list[tuple[Place, Conversation]], Place | None]:
        """
        At most *count* of an owner's conversations, the last used first, with their places; and the place
        to go on from, None where the list ends. *before*: only those further down than this place.
        """
        async with self._broker.watch("conversations"):
            places = await self._places(owner, count + 1, before)
            more = places[count - 1] if len(places) > count else None
            async with self._broker.redis.pipeline(transaction=False) as pipe:
                for place in places[:count]:
                    pipe.hgetall(f"{keys.CONVERSATION}{owner}:{place.id}")
                rows = await pipe.execute()
        found = zip(places[:count], rows, strict=True)
        return [(place, _headline(place.id, fields)) for place, fields in found if fields], more

    async def _places(self, owner: str, count: int, before: Place | None) -> list[Place]:
        key, redis = keys.CONVERSATIONS + owner, self._broker.redis
        if before is None:
            listed = await redis.zrevrange(key, 0, count - 1, withscores=True)
        else:
            async with redis.pipeline(transaction=True) as pipe:
                # What was last used in the same millisecond is ordered by id.
                pipe.zrevrangebyscore(key, before.used_ms, before.used_ms, withscores=True)
                pipe.zrevrangebyscore(key, f"({before.used_ms}", "-inf", 0, count, withscores=True)
                same, further = await pipe.execute()
            listed = [entry for entry in same if entry[0] < before.id.encode()] + further
        return [Place(int(score), raw.decode()) for raw, score in listed[:count]]


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
