"""
What askers have used, exact over any number of gateways: reserved in one atomic step before a reply is
accepted, settled with what it used once it has ended.

Settling needs nobody to be told: the record of a generation says how it ended, so whoever asks next, at any
gateway, and after any crash, settles what has ended since. The library `limits` counts one limit after the
other, in a round trip each, and what the first has counted stays counted where the second refuses; here all
are one step.
"""

import datetime
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from shared import keys, metrics
from shared.asker import scope_of
from shared.broker import Broker
from shared.cells import Cell
from shared.events import Usage, now_ms
from shared.generation import TERMINAL_STATES
from shared.limits import Level, Limited, Limits
from shared.steps import Step

#: A reservation without a record is that of a request which was never accepted: but not at once, for its
#: record may be on its way, or be written again by its worker after a failover.
_UNBORN_MS = 60_000
_STREAM_LIVES_MS = 30_000
#: A page of reservations that are looked at together.
_PAGE = 500
_MILLIONTHS = 1_000_000


class Refusal(msgspec.Struct, frozen=True):
    """Which limit of which level had no room, and in how many milliseconds it may; 0: not today."""

    level: str
    limit: Limited
    retry_ms: int


class Room(NamedTuple):
    """How much there may be, what is left of it, and when more is."""

    most: int
    left: int
    reset_ms: int


class Verdict(msgspec.Struct, frozen=True):
    """What became of a request, and how much room the tightest level has now."""

    held: int
    refused: Refusal | None = None
    requests: Room | None = None
    tokens: Room | None = None


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What was used in a day or a month."""

    messages: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    #: Settled, and reserved by what has not ended.
    total_tokens: int = 0
    cost: float = 0


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What a level has used, to the last reply that has ended."""

    day: Spent
    month: Spent
    #: Of the total: what replies under way have reserved.
    reserved_tokens: int
    #: Replies under way, and those among them that wait for a worker.
    concurrent: int
    queued: int


class _Held(msgspec.Struct, frozen=True):
    tokens: int
    at: int
    levels: list[str]


class Ledger:
    """All that is counted behind one broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def admit(
        self,
        tenant: str,
        levels: Sequence[Level],
        request_id: str,
        kind: Literal["message", "read"],
        tokens: int,
        stream_id: str | None = None,
    ) -> Verdict:
        """
        Count a request, with *tokens* reserved and a place for *stream_id*, if any, to be kept with `hold`;
        where any level has no room, nothing is counted.
        """
        day, month = periods()
        asked: dict[str, Any] = {"id": request_id, "kind": kind, "tokens": tokens, "day": day, "month": month}
        asked["levels"] = [_told(level) for level in levels]
        if stream_id is not None:
            asked |= {"stream": stream_id, "stream_lives_ms": _STREAM_LIVES_MS}
        answer = await self._run("admit", tenant, [msgspec.json.encode(asked)])
        return msgspec.json.decode(answer, type=Verdict)

    async def release(self, tenant: str, request_id: str) -> None:
        """Give back what was reserved for a request that became no generation."""
        await self._run("settle", tenant, [request_id, "never", 0, 0, 0, 0])

    async def hold(
        self,
        tenant: str,
        levels: Sequence[Level],
        stream_id: str,
        step: Literal["open", "keep", "close"],
    ) -> str:
        """
        Hold a place for a stream at each of *levels*, or at none: gives the level that has none left, else
        ''. It is a lease of 30 seconds.
        """
        args: list[str | bytes | int] = [stream_id, _STREAM_LIVES_MS, step]
        for level in levels:
            args += [level.name, level.limits.max_streams or 0]
        return str((await self._run("hold", tenant, args)).decode())

    async def settle(self, tenant: str, only: str | None = None) -> int:
        """
        Settle what has ended of *tenant*, or of it *only* one generation; gives of how many anything was new.
        """
        held = await self._held(tenant, only)
        settled = 0
        for first in range(0, len(held), _PAGE):
            settled += await self._settle_page(tenant, held[first : first + _PAGE])
        return settled

    async def used(self, tenant: str, level: str) -> Used:
        """What a level has used, after settling what has ended."""
        await self.settle(tenant)
        day, month = periods()
        cell, name = self._cell(tenant), f"{scope_of(tenant)}:{level}:"
        commands = [
            ("HGETALL", cell.key(keys.USE, f"{name}day:{day}")),
            ("HGETALL", cell.key(keys.USE, f"{name}month:{month}")),
            ("ZCARD", cell.key(keys.USE, f"{name}held")),
            ("SCARD", cell.key(keys.USE, f"{name}waiting")),
        ]
        today, this_month, concurrent, queued = await self._broker.pipe(
            "used", cell, commands, transaction=True
        )
        held = [one for _, one in await self._held(tenant) if level in one.levels]
        return Used(
            day=_spent(today),
            month=_spent(this_month),
            reserved_tokens=sum(one.tokens for one in held),
            concurrent=concurrent,
            queued=queued,
        )

    async def levels(self, tenant: str) -> list[str]:
        """Those of *tenant* that have used something this month."""
        month = periods()[1]
        cell = self._cell(tenant)
        prefix, suffix = cell.key(keys.USE, f"{scope_of(tenant)}:"), f":month:{month}"
        found, at = [], 0
        while True:
            cursor, some = await self._broker.call(
                "levels", cell, "SCAN", at, "MATCH", f"{prefix}*{suffix}", "COUNT", 1000
            )
            found += [raw.decode() for raw in some]
            if not (at := int(cursor)):
                break
        return sorted(name.removeprefix(prefix).removesuffix(suffix) for name in found)

    async def _held(self, tenant: str, only: str | None = None) -> list[tuple[str, _Held]]:
        cell = self._cell(tenant)
        key = cell.key(keys.HELD, scope_of(tenant))
        if only is None:
            held = await self._broker.call("held", cell, "HGETALL", key)
        else:
            one = await self._broker.call("held", cell, "HGET", key, only)
            held = {} if one is None else {only.encode(): one}
        return [(name.decode(), msgspec.json.decode(value, type=_Held)) for name, value in held.items()]

    async def _settle_page(self, tenant: str, held: list[tuple[str, _Held]]) -> int:
        records: dict[str, list[bytes | None]] = {}
        ids = [generation_id for generation_id, _ in held]
        for cell, places in self._broker.cells.grouped(ids).items():
            commands = [
                ("HMGET", cell.key(keys.RECORD, ids[i]), "state", "usage", "billed", "cost") for i in places
            ]
            answers = await self._broker.pipe("settle_look", cell, commands)
            records |= zip((ids[i] for i in places), answers, strict=True)
        args: list[str | bytes | int] = []
        unborn_before = now_ms() - _UNBORN_MS
        for generation_id, one in held:
            state, usage, billed, cost = records[generation_id]
            if state is None:
                if one.at < unborn_before:
                    args += [generation_id, "never", 0, 0, 0, 0]
            elif state.decode() in TERMINAL_STATES:
                # What was billed is more than the answer's own where several upstreams were asked.
                written = billed or usage
                spent = Usage() if written is None else msgspec.json.decode(written, type=Usage)
                args += [generation_id, "ended", *_settled(spent, cost)]
            elif state == b"running":
                args += [generation_id, "begun", 0, 0, 0, 0]
        if not args:
            return 0
        settled, prompt, completion, millionths = await self._run("settle", tenant, args)
        name = metrics.tenant(tenant)
        metrics.tenant_tokens.labels(name, "prompt").inc(prompt)
        metrics.tenant_tokens.labels(name, "completion").inc(completion)
        metrics.tenant_cost.labels(name).inc(millionths / _MILLIONTHS)
        return int(settled)

    async def _run(self, step: Step, tenant: str, args: Sequence[str | bytes | int]) -> Any:
        return await self._broker.run(step, self._cell(tenant), [scope_of(tenant), *args])

    def _cell(self, tenant: str) -> Cell:
        return self._broker.cells.of_tenant(scope_of(tenant))


def periods() -> tuple[str, str]:
    """This day and this month, as UTC has them."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return today, today[:7]


def until_next(limit: Limited) -> float:
    """Seconds to the next day or month, whichever *limit* is counted by."""
    now = datetime.datetime.now(datetime.UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if limit.endswith("_month"):
        return ((midnight.replace(day=1) + datetime.timedelta(days=32)).replace(day=1) - now).total_seconds()
    return (midnight + datetime.timedelta(days=1) - now).total_seconds()


def _told(level: Level) -> dict[str, Any]:
    limits: Limits = level.limits
    told: dict[str, Any] = {
        "name": level.name,
        "requests": limits.requests_per_minute,
        "concurrent": limits.max_concurrent,
        "queued": limits.max_queued,
        "streams": limits.max_streams,
        "tokens": limits.tokens_per_minute,
        "tokens_day": limits.tokens_per_day,
        "tokens_month": limits.tokens_per_month,
        "cost_day": _millionths(limits.cost_per_day),
        "cost_month": _millionths(limits.cost_per_month),
    }
    return {name: value for name, value in told.items() if value is not None}


def _millionths(money: float | None) -> int | None:
    return None if money is None else round(money * _MILLIONTHS)


def _settled(usage: Usage, cost: bytes | None) -> tuple[int, int, int, int]:
    total = usage.total_tokens or usage.prompt_tokens + usage.completion_tokens
    millionths = 0 if cost is None else _millionths(float(cost)) or 0
    return total, usage.prompt_tokens, usage.completion_tokens, millionths


def _spent(fields: dict[bytes, bytes]) -> Spent:
    messages, prompt, completion, total, cost = (
        int(fields.get(name, 0)) for name in (b"messages", b"prompt", b"completion", b"tokens", b"cost")
    )
    return Spent(
        messages=messages,
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=total,
        cost=cost / _MILLIONTHS,
    )
