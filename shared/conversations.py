"""Messages of a conversation, bounded in number and in time; the scripts write them, this reads."""

from typing import Literal

import msgspec

from shared import keys
from shared.broker import Broker


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn. `state` tells how a reply ended: `done`, `failed` or `cancelled`."""

    role: Literal["user", "assistant", "system"]
    content: str
    ts: int
    state: str | None = None


class Conversation(msgspec.Struct, frozen=True):
    """A conversation's headline. Times are milliseconds since the epoch."""

    id: str
    title: str
    created_ms: int
    updated_ms: int
    #: The generation that answers right now.
    active: str | None = None


_message = msgspec.json.Decoder(Message).decode


class Conversations:
    """All conversations behind one broker; an owner sees its own alone."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def messages(self, owner: str, conversation_id: str) -> list[Message]:
        """Oldest first."""
        async with self._broker.watch("messages"):
            raw = await self._broker.redis.lrange(f"{keys.MESSAGES}{owner}:{conversation_id}", 0, -1)  # type: ignore[misc]
        return [_message(item) for item in raw]

    async def load(self, owner: str, conversation_id: str) -> Conversation | None:
        """The headline, or None where there is no such conversation."""
        async with self._broker.watch("conversation"):
            fields = await self._broker.redis.hgetall(f"{keys.CONVERSATION}{owner}:{conversation_id}")  # type: ignore[misc]
        return _headline(conversation_id, fields) if fields else None

    async def answering(self, owner: str, conversation_id: str) -> list[str]:
        """The active generation's id, then those that wait for it, oldest first."""
        scope = f"{owner}:{conversation_id}"
        redis = self._broker.redis
        async with self._broker.watch("answering"), redis.pipeline(transaction=True) as pipe:
            pipe.hget(keys.CONVERSATION + scope, "active")
            pipe.lrange(keys.NEXT + scope, 0, -1)
            active, waiting = await pipe.execute()
        return [raw.decode() for raw in (*([active] if active else ()), *waiting)]

    async def recent(self, owner: str, count: int = 100) -> list[Conversation]:
        """The last used first."""
        async with self._broker.watch("conversations"):
            ids = [
                raw.decode()
                for raw in await self._broker.redis.zrevrange(keys.CONVERSATIONS + owner, 0, count - 1)
            ]
            async with self._broker.redis.pipeline(transaction=False) as pipe:
                for conversation_id in ids:
                    pipe.hgetall(f"{keys.CONVERSATION}{owner}:{conversation_id}")
                rows = await pipe.execute()
        return [_headline(i, fields) for i, fields in zip(ids, rows, strict=True) if fields]


def _headline(conversation_id: str, fields: dict[bytes, bytes]) -> Conversation:
    return Conversation(
        id=conversation_id,
        title=fields.get(b"title", b"").decode(),
        created_ms=int(fields.get(b"created_ms", 0)),
        updated_ms=int(fields.get(b"updated_ms", 0)),
        active=fields[b"active"].decode() if b"active" in fields else None,
    )
