"""Conversations and their messages, bounded in number, bytes and time; the scripts write, this reads."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec

from shared import keys, messages
from shared.blobs import Blobs, listed
from shared.branches import Branch, Branching, Fork, branches, branchings
from shared.broker import Broker
from shared.cells import Cell
from shared.errors import Busy, NotFound, Taken
from shared.generation import ChatSettings
from shared.headline import Conversation, Version, headline_of, settings_of, version_of
from shared.messages import Message
from shared.outcome import stopped_unbegun
from shared.place import Place, scored

#: Messages read at once where it is not known how many are needed.
_PAGE = 64


class Whole(NamedTuple):
    """A conversation and its messages, oldest first, still encoded; where it branches, and into what."""

    version: Version
    messages: list[msgspec.Raw]
    branchings: list[Branching]
    branches: list[Branch]


class Conversations:
    """All conversations of one broker; an owner sees its own alone."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._blobs = Blobs(broker)

    @property
    def most(self) -> int:
        """So many of an owner are kept."""
        return self._broker.settings.max_conversations

    async def read(self, owner: str, conversation_id: str, *, aside: bool = False) -> Whole | None:
        """A conversation in one moment; *aside*: also the branches that are not shown."""
        cell, scope = self._place(owner, conversation_id)
        commands: list[tuple[str | int, ...]] = [
            ("HGETALL", cell.key(keys.CONVERSATION, scope)),
            ("LRANGE", cell.key(keys.MESSAGES, scope), 0, -1),
        ]
        if aside:
            commands.append(("HGETALL", cell.key(keys.ASIDE, scope)))
        fields, said, *kept = await self._broker.pipe("messages", cell, commands, transaction=True)
        version = version_of(conversation_id, fields)
        if version is None:
            return None
        return Whole(
            version,
            [msgspec.Raw(item) for item in said],
            branchings(fields, said),
            branches(fields, kept[0]) if kept else [],
        )

    async def last(self, owner: str, conversation_id: str) -> Message | None:
        """The newest message."""
        cell, scope = self._place(owner, conversation_id)
        said = await self._broker.call("messages", cell, "LINDEX", cell.key(keys.MESSAGES, scope), -1)
        return None if said is None else messages.decode(said)

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
        return version_of(conversation_id, fields)

    async def load(self, owner: str, conversation_id: str) -> Conversation | None:
        """The headline, or None where there is no such conversation."""
        version = await self.version(owner, conversation_id)
        return None if version is None else version.headline

    async def metadata(self, owner: str, conversation_id: str) -> dict[str, str]:
        """What its client has noted on it."""
        cell, scope = self._place(owner, conversation_id)
        raw = await self._broker.call(
            "conversation", cell, "HGET", cell.key(keys.CONVERSATION, scope), "metadata"
        )
        return {} if raw is None else msgspec.json.decode(raw, type=dict[str, str])

    async def note(
        self,
        owner: str,
        conversation_id: str,
        said: Sequence[Message],
        *,
        title: str = "",
        metadata: dict[str, str] | None = None,
        known: bool = False,
    ) -> bool:
        """
        Add *said* to its end, and give it *metadata*, without a generation. It begins with that, unless it is
        to be *known*: then False where there is no such conversation.
        """
        cell, _ = self._place(owner, conversation_id)
        noted = "" if metadata is None else msgspec.json.encode(metadata).decode()
        args: list[str | bytes | int] = [owner, conversation_id, "1" if known else "", title, noted]
        args += [messages.encode(message) for message in said]
        return bool(await self._broker.run("note", cell, args))

    async def change(
        self,
        owner: str,
        conversation_id: str,
        *,
        title: str | None = None,
        settings: ChatSettings | None = None,
    ) -> bool:
        """Give it another title, other settings; False where there is no such conversation."""
        cell, _ = self._place(owner, conversation_id)
        changes: list[str | bytes] = []
        if title is not None:
            changes += ("title", title)
        if settings is not None:
            changes += ("settings", msgspec.json.encode(settings))
        return bool(await self._broker.run("change", cell, [owner, conversation_id, *changes]))

    async def settings(self, owner: str, conversation_id: str) -> ChatSettings:
        """How it is answered; nothing in particular where there is no such conversation."""
        cell, scope = self._place(owner, conversation_id)
        key = cell.key(keys.CONVERSATION, scope)
        raw = await self._broker.call("conversation", cell, "HGET", key, "settings")
        return settings_of(raw) or ChatSettings()

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
        if stopped is not None:
            await self._blobs.let_go(
                owner, conversation_id, await self._noted(owner, conversation_id, gone=True)
            )
        return stopped

    async def _noted(self, owner: str, conversation_id: str, *, gone: bool = False) -> list[str]:
        """The hashes of its blobs; with *gone*, of what was deleted just now."""
        cell, scope = self._place(owner, conversation_id)
        key = cell.key(keys.GONE, f"c:{scope}") if gone else cell.key(keys.CONVERSATION, scope)
        noted = await self._broker.call("conversation", cell, "HGET", key, "blobs")
        return [] if noted is None else listed(noted)

    async def undo_remove(self, owner: str, conversation_id: str) -> bool:
        """
        Bring back what was deleted a moment ago; False where there is nothing to bring back.

        Raises `Taken` where there is a conversation of that id.
        """
        cell, _ = self._place(owner, conversation_id)
        outcome = await self._broker.run("undo", cell, [owner, conversation_id])
        if outcome == b"taken":
            raise Taken(field="conversation_id")
        if outcome == b"ok":
            await self._blobs.hold(owner, conversation_id, await self._noted(owner, conversation_id))
        return bool(outcome == b"ok")

    async def show_branch(self, owner: str, conversation_id: str, generation_id: str) -> bool:
        """
        Show the branch that begins with a generation's turn; False where there is no such conversation.

        Raises `Busy` while it is answered, `NotFound` where it has no such branch.
        """
        cell, _ = self._place(owner, conversation_id)
        args = [owner, conversation_id, generation_id]
        outcome, *active = await self._broker.run("branch", cell, args)
        if outcome == b"busy":
            raise Busy(field="conversation_id", detail={"generation_id": active[0].decode()})
        if outcome == b"no_branch":
            raise NotFound("The conversation has no branch of that generation.", field="generation_id")
        return bool(outcome == b"ok")

    async def create(
        self,
        owner: str,
        conversation_id: str,
        title: str,
        said: Sequence[bytes],
        settings: ChatSettings | None = None,
        branches: Sequence[tuple[Fork, Sequence[bytes]]] = (),
    ) -> None:
        """One of messages that were *said* elsewhere. Raises `Taken` where there is one of that id."""
        cell, _ = self._place(owner, conversation_id)
        forks = [fork for fork, _ in branches]
        args: list[str | bytes | int] = [owner, conversation_id, title]
        args.append(msgspec.json.encode(settings) if settings else "")
        args.append(msgspec.json.encode(forks) if forks else "")
        args += [len(said), *said]
        for fork, messages_of_it in branches:
            args += (fork.first, msgspec.json.encode([message.decode() for message in messages_of_it]))
        if not await self._broker.run("import", cell, args):
            raise Taken(field="conversation_id")
        await self._blobs.hold(owner, conversation_id, await self._noted(owner, conversation_id))

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
        listed = [(place, headline_of(place.id, fields)) for place, fields in rows[:count] if fields]
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
            found = scored(listed)
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
            found = [place for place in scored(same) if place.id < before.id] + scored(further)
        return found[:count]

    def _place(self, owner: str, conversation_id: str) -> tuple[Cell, str]:
        """The cell, and what follows the names of the conversation's keys there."""
        return self._broker.cells.of_conversation(owner, conversation_id), f"{owner}:{conversation_id}"


def _last_used_first(row: tuple[Place, dict[bytes, bytes]]) -> tuple[int, bytes]:
    place, _ = row
    return place.used_ms, place.id.encode()
