"""
Copies what one broker holds to another, into other cells: the way from one broker to a cluster.

Everything must have ended, and nothing may run: ids name cells, so what is under way cannot change its
own. The source is only read. What has expired meanwhile stays away, and what this knows nothing of is said.
Until all is there no gateway and no worker starts over the target: its clocks say that it is half a copy.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

from redis.exceptions import RedisError

from shared import keys
from shared.broker import Broker
from shared.cells import ROOM_DIGEST, Cell, id_in, room_digest
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.settings import Settings
from shared.startup import SettingsWrong

#: Every process looks at the clock several times a lease; one of theirs may be longer than ours.
_WATCHED_S = 3.0
_REACHED_WITHIN_S = 5.0
_PAGE = 200
#: What PTTL says of keys without a lifetime, and of those that are gone.
_FOR_EVER, _EXPIRED = -1, -2
_BY_ROOM = (keys.ROOM, keys.ROOM_LOG, keys.ROOM_ONCE)
_LISTS = (keys.CONVERSATIONS, keys.HOOKS)
#: Of what has ended nothing is left here, or it is made anew.
_LEFT = (
    *(keys.QUEUE, keys.TURNS, keys.USERS, keys.LINE, keys.LEASED, keys.PACE, keys.WAKE, keys.JOB),
    *(keys.NEXT, keys.CLOCK, keys.GONE, keys.ROOM_MEMBERS, keys.UPSTREAM, keys.LISTED, keys.SPEAKS),
)

#: What people call them; all others are the rest.
_CALLED = {
    keys.CONVERSATION: "conversations",
    keys.RECORD: "replies",
    keys.LOG: "event logs",
    keys.IDEMPOTENCY: "idempotency keys",
    keys.BLOB: "pictures and files",
    keys.AUDIO: "speeches",
    keys.ROOM: "rooms",
    keys.SHARE: "links",
    keys.API_KEY: "API keys",
    keys.TENANT: "tenants",
}
_EMPTY_IT = "empty the target (FLUSHALL at each primary), and begin again"

#: A key by its cell, its kind, and what follows that.
Found = tuple[Cell, str, str]
#: A cell, and a key of it.
Target = tuple[Cell, str]


class CannotMove(Exception):
    """Nothing was copied, or not all of it; the message says why, and what to do."""


async def move(source: Settings, target: Settings, say: Callable[[str], None]) -> None:
    """
    Copy all of *source* to *target*, which must be empty, and *say* what it was. Raises `CannotMove`; where
    that says that something was not copied, the rest was.
    """
    here, there = Broker(source), Broker(target)
    mover, begun = _Mover(here, there), False
    try:
        for broker, what in ((here, "--source"), (there, "--target")):
            await _reach(broker, what)
        await mover.check()
        begun = True
        await mover.copy()
    except (BrokerUnavailable, BrokerRefused, RedisError, OSError) as error:
        cause = error.__cause__ or error
        what = str(cause) or type(cause).__name__
        raise CannotMove(f"{what}; {_EMPTY_IT}" if begun else f"{what}; nothing was copied") from error
    finally:
        await here.close()
        await there.close()
    for line in mover.told():
        say(line)
    if mover.unknown:
        left = ", ".join(f"{count} of {kind}" for kind, count in sorted(mover.unknown.items()))
        raise CannotMove(f"NOT copied: {left}, which this release cannot place; all else was")


async def _reach(broker: Broker, what: str) -> None:
    try:
        async with asyncio.timeout(_REACHED_WITHIN_S):
            # Once: what is wrong with the address is to be told, not to be waited for.
            async with broker.watch("confirm"):
                pass
    except SettingsWrong as error:
        raise CannotMove(f"{what}: {str(error).removeprefix('headrace: ')}") from error
    except (BrokerUnavailable, BrokerRefused, TimeoutError) as error:
        cause = error.__cause__ or error
        why = str(cause) or type(cause).__name__
        hint = ": the address of a cluster begins with redis+cluster://" if why.startswith("MOVED ") else ""
        raise CannotMove(f"the broker of {what} does not answer as it should ({why}){hint}") from error


class _Mover:
    """What is to go from *here* to *there*, and what has gone, by kind."""

    def __init__(self, here: Broker, there: Broker) -> None:
        self._here, self._there = here, there
        self.copied: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        #: Which cell a room's conversation is to be in, by what its id ends with.
        self._rooms: dict[str, Cell] = {}

    def told(self) -> list[str]:
        """What was copied, for people."""
        lines = [f"copied {self.copied[kind]} {name}" for kind, name in _CALLED.items() if self.copied[kind]]
        rest = self.copied.total() - sum(self.copied[kind] for kind in _CALLED)
        lines += [f"copied {rest} other keys of theirs"] if rest else []
        count = len(self._there.cells)
        return [*lines, f"done: start gateways and workers over the target, with HEADRACE_CELLS={count}"]

    async def check(self) -> None:
        """Raises `CannotMove` unless the source is at rest and holds something, and the target is empty."""
        async for cell, _, _ in self._keys(self._there):
            raise CannotMove(
                f"the target holds data already, in {cell.tag or 'one cell'}: empty it first (FLUSHALL at "
                "each primary), with no gateway or worker over it"
            )
        under_way, any_there = [], False
        async for cell, kind, of in self._keys(self._here):
            any_there |= kind not in _LEFT
            if kind == keys.RECORD:
                state = await self._here.call("move", cell, "HGET", cell.key(kind, of), "state")
                under_way += [of] if state in {b"queued", b"running"} else []
        if under_way:
            raise CannotMove(
                f"{len(under_way)} generations have not ended, such as {under_way[0]}: stop the gateways, "
                "and let the workers finish first"
            )
        if not any_there:
            raise CannotMove(
                "the source holds nothing that could be copied: is it the right one, and database?"
            )
        both = ((self._here, "source"), (self._there, "target"))
        before = [await _clocks(broker) for broker, _ in both]
        await asyncio.sleep(max(_WATCHED_S, self._here.settings.lease_s))
        for (broker, what), clocks in zip(both, before, strict=True):
            if await _clocks(broker) != clocks:
                raise CannotMove(f"gateways or workers still run over the {what}: stop them first")

    async def copy(self) -> None:
        """Copy every key to where it belongs."""
        await self._mark("HSET", "moving", 1)
        await self._set_clocks()
        await self._know_rooms()
        page: list[Found] = []
        async for found in self._keys(self._here):
            page.append(found)
            if len(page) == _PAGE:
                await self._copy_page(page)
                page = []
        await self._copy_page(page)
        await self._mark("HDEL", "moving")

    async def _mark(self, command: str, *rest: str | int) -> None:
        """Each cell's clock, the first one's last: it is what a process asks first."""
        for cell in reversed(list(self._there.cells)):
            name = cell.key(keys.CLOCK)
            await self._there.call("move", cell, command, name, *rest)
            # A clock has one from birth, as all keys do.
            ttl_ms = self._there.settings.conversation_ttl_s * 1000
            await self._there.call("move", cell, "PEXPIRE", name, ttl_ms)

    async def _copy_page(self, page: Sequence[Found]) -> None:
        for cell, kind, of in page:
            if kind in _LEFT:
                continue
            if kind in _LISTS:
                self.copied[kind] += await self._copy_list(cell, kind, of)
            elif targets := await self._targets(cell, kind, of):
                self.copied[kind] += await self._copy_key(cell, cell.key(kind, of), targets)
            else:
                self.unknown[kind] += 1

    async def _targets(self, cell: Cell, kind: str, of: str) -> list[Target]:
        """Where a key goes, and what it is called there; nowhere, where that is not known."""
        cells = self._there.cells
        if kind in _BY_ROOM:
            room, colon, rest = of.partition(":")
            # Its id says its cell, and ends with what its conversation is known by.
            home = self._rooms.get(room[-ROOM_DIGEST:])
            found = {home: f"{id_in(cells, home, room[-ROOM_DIGEST:])}{colon}{rest}"} if home else {}
        elif kind == keys.IDEMPOTENCY:
            found = dict.fromkeys(await self._asked_in(cell, of), of)
        else:
            home = cells.of(kind, of)
            found = {home: of} if home else {}
        return [(target, target.key(kind, name)) for target, name in found.items()]

    async def _asked_in(self, cell: Cell, of: str) -> list[Cell]:
        """Whoever repeats a request asks in its conversation's cell; where it named none, in its key's."""
        cells, (owner, _, key) = self._there.cells, of.partition(":")
        known = (await self._here.call("move", cell, "GET", cell.key(keys.IDEMPOTENCY, of)) or b"").decode()
        generation_id = known.partition(" ")[0]
        record = self._here.cells.of_generation(generation_id)
        name = record.key(keys.RECORD, generation_id)
        conversation = await self._here.call("move", record, "HGET", name, "conversation")
        found = [cells.of_idempotency(owner, key)]
        if conversation is not None:
            found.append(cells.of_conversation(owner, conversation.decode()))
        return found

    async def _copy_key(self, cell: Cell, name: str, targets: Iterable[Target]) -> bool:
        """Whether it was still there."""
        dump, ttl_ms = await self._here.pipe("move", cell, [("DUMP", name), ("PTTL", name)])
        if dump is None or ttl_ms == _EXPIRED:
            return False
        for target, new in targets:
            await self._there.call("move", target, "RESTORE", new, _lifetime(ttl_ms), dump, "REPLACE")
        return True

    async def _copy_list(self, cell: Cell, kind: str, of: str) -> bool:
        """A list of what is in all cells: each entry goes to the list of its own. Whether it was there."""
        entries, ttl_ms = await self._list(cell, kind, of)
        parts: dict[Cell, list[bytes]] = {}
        for entry, score in entries:
            if kind == keys.CONVERSATIONS:
                target = self._there.cells.of_conversation(of, entry.decode())
            else:
                target = self._there.cells.of_generation(entry.decode())
            parts.setdefault(target, []).extend((score, entry))
        for target, part in parts.items():
            key = target.key(kind, of)
            commands: list[tuple[Any, ...]] = [("ZADD", key, *part)]
            commands += [("PEXPIRE", key, max(1, ttl_ms))] if ttl_ms != _FOR_EVER else []
            await self._there.pipe("move", target, commands, transaction=True)
        return bool(entries)

    async def _list(self, cell: Cell, kind: str, of: str) -> tuple[list[tuple[bytes, bytes]], int]:
        name = cell.key(kind, of)
        commands = [("ZRANGE", name, 0, -1, "WITHSCORES"), ("PTTL", name)]
        flat, ttl_ms = await self._here.pipe("move", cell, commands)
        return list(zip(flat[::2], flat[1::2], strict=True)), ttl_ms

    async def _know_rooms(self) -> None:
        """A room's id does not tell its name: the room does, or for an older one its owner's list."""
        async for cell, kind, owner in self._keys(self._here):
            if kind == keys.ROOM:
                name = cell.key(kind, owner)
                known = await self._here.call("move", cell, "HMGET", name, "owner", "name")
                if None not in known:
                    whose, called = (each.decode() for each in known)
                    home = self._there.cells.of_conversation(whose, called)
                    self._rooms[room_digest(whose, called)] = home
            elif kind == keys.CONVERSATIONS:
                entries, _ = await self._list(cell, kind, owner)
                for entry, _ in entries:
                    home = self._there.cells.of_conversation(owner, entry.decode())
                    self._rooms[room_digest(owner, entry.decode())] = home

    async def _set_clocks(self) -> None:
        """No cell may be behind what was counted so far: lists are ordered by it."""
        ahead = [
            int(await self._here.call("move", cell, "HGET", cell.key(keys.CLOCK), "ahead") or 0)
            for cell in self._here.cells
        ]
        for cell in self._there.cells:
            await self._there.run("clock", cell, [])
            await self._there.call("move", cell, "HSET", cell.key(keys.CLOCK), "ahead", max(ahead, default=0))

    async def _keys(self, broker: Broker) -> AsyncIterator[Found]:
        """All keys of *broker* but its clocks: the cell, the kind, and what follows that."""
        of_tag = {cell.tag: cell for cell in broker.cells}
        for one in broker.one_of_each():
            async for raw in broker.at(one).scan_iter(match="*", count=1000):
                name = raw.decode(errors="replace")
                for cell, kind, of in _named(name, of_tag):
                    if kind != keys.CLOCK:
                        yield cell, kind, of


async def _clocks(broker: Broker) -> list[bytes | None]:
    return [await broker.call("move", cell, "HGET", cell.key(keys.CLOCK), "seen") for cell in broker.cells]


def _lifetime(ttl_ms: int) -> int:
    """As RESTORE has it, for which 0 is for ever: what ends within this very moment must not be kept so."""
    return 0 if ttl_ms == _FOR_EVER else max(1, ttl_ms)


def _named(name: str, of_tag: dict[str, Cell]) -> Iterable[Found]:
    """What a key is, if it is one of ours."""
    before, brace, rest = name.partition("{")
    tag = ""
    if brace and before in {"hr:", keys.JOB} and "}" in rest:
        tag = "{" + rest.partition("}")[0] + "}"
        name = name.replace(f"{tag}:" if before == "hr:" else tag, "", 1)
    cell = of_tag.get(tag)
    if cell is None or not name.startswith(("hr:", keys.JOB)):
        return
    kind = next((kind for kind in keys.NAMES.values() if name.startswith(kind)), None)
    if kind is None:
        kind = "".join(name.partition(":")[:2]) + name.split(":")[1] + ":"
    yield cell, kind, name.removeprefix(kind)
