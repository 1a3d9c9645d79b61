"""
The queue's side of arq: jobs are claimed with a lease, renewed together, and handed back.

A job's score in arq's sorted set is the moment it is due. Claiming moves it to the end of the lease,
so waiting jobs stay at the head, and a lease that runs out is simply a due job.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
from arq.jobs import serialize_job

from shared import events, keys
from shared.broker import Broker, pack
from shared.cells import Cell
from shared.errors import BrokerUnavailable
from shared.generation import Generation, parse
from shared.headline import title_of

#: The name under which arq knows the job function.
JOB_FUNCTION = "generate"


class Claim(msgspec.Struct, frozen=True):
    """A worker's right to a generation."""

    generation: Generation
    queue: str
    #: `<attempt>:<nonce>`; nobody else ever holds the same.
    lease: str
    #: Events that earlier attempts have left in the log.
    log_length: int
    #: The record as it was when claimed, so that it can be written again.
    record: dict[str, str] = {}
    #: Seconds since it was queued, and since it was first claimed, when it was claimed.
    queued_s: float = 0
    begun_s: float = 0
    #: Whether the worker that had it before was lost.
    taken_over: bool = False


class Claimed(NamedTuple):
    """What was claimed, and which due jobs cannot be: their record or log is another kind of key."""

    claims: list[Claim]
    broken: list[str]


class Renewed(NamedTuple):
    """What renewing told about one generation."""

    state: Literal["kept", "lost", "ended", "missing", "broken"]
    log_length: int
    cancel: str
    listeners: int


class Queue:
    """All queues of one broker, for one worker."""

    def __init__(self, broker: Broker, *, lease_s: float) -> None:
        self._broker = broker
        self._lease_ms = int(lease_s * 1000)

    async def claim(
        self,
        cell: Cell,
        queue: str,
        limit: int,
        nonce: str,
        *,
        queued_within_s: float | None = None,
        suspects: int = 1,
    ) -> Claimed:
        """
        Lease at most *limit* due jobs of *cell*. With *queued_within_s* only new ones: neither those whose
        worker fell silent, nor those that were queued longer ago. Of those that have one last worker
        to lose no more than *suspects*.
        """
        newest_ms = "" if queued_within_s is None else int(queued_within_s * 1000)
        claimed, broken = await self._broker.run(
            "claim", cell, [queue, limit, self._lease_ms, nonce, newest_ms, suspects]
        )
        claims = [
            _claim(job_id.decode(), queue, lease.decode(), length, queued_ms, begun_ms, lost, _pairs(fields))
            for job_id, lease, length, queued_ms, begun_ms, lost, fields in claimed
        ]
        return Claimed(claims, [job_id.decode() for job_id in broken])

    async def renew(self, cell: Cell, claims: Sequence[Claim]) -> list[Renewed]:
        """Renew all *claims*, which are in *cell*, in one round trip."""
        args: list[str | bytes | int] = [self._lease_ms]
        for claim in claims:
            args += (claim.queue, claim.generation.id, claim.lease)
        answer = await self._broker.run("renew", cell, args)
        return [
            Renewed(answer[i].decode(), answer[i + 1], answer[i + 2].decode(), answer[i + 3])
            for i in range(0, len(answer), 4)
        ]

    async def restore(self, claim: Claim) -> bool:
        """Write the record again that the broker lost; False when there is one after all."""
        title = (
            title_of(msgspec.json.decode(claim.record["turn"])["content"]) if "turn" in claim.record else ""
        )
        args: list[str | bytes | int] = [claim.generation.id, self._lease_ms, claim.lease]
        args += [msgspec.json.encode(claim.record), job_payload(claim.generation.id), title]
        return bool(await self._broker.run("restore", self._cell(claim), args))

    async def release(self, claim: Claim) -> bool:
        """Hand a job back; False when it was no longer ours."""
        args = [claim.queue, claim.generation.id, claim.lease]
        return bool(await self._broker.run("release", self._cell(claim), args))

    def _cell(self, claim: Claim) -> Cell:
        return self._broker.cells.of_generation(claim.generation.id)


async def depth(broker: Broker, cell: Cell, queue: str, now_ms: int) -> tuple[int, float]:
    """How many generations of *cell* wait in *queue*, and how long the first of them has, in seconds."""
    key = cell.key(keys.QUEUE, queue)
    first, waiting = await broker.pipe(
        "depth", cell, [("ZRANGE", key, 0, 0, "WITHSCORES"), ("ZCOUNT", key, "-inf", now_ms)]
    )
    age = max(0.0, (now_ms - float(first[1])) / 1000) if first and waiting else 0.0
    return waiting, age


def job_payload(generation_id: str) -> bytes:
    """A generation's job as arq keeps it."""
    payload: bytes = serialize_job(JOB_FUNCTION, (generation_id,), {}, None, events.now_ms(), serializer=pack)
    return payload


def _claim(
    job_id: str,
    queue: str,
    lease: str,
    length: int,
    queued_ms: int,
    begun_ms: int,
    lost: int,
    fields: dict[bytes, bytes],
) -> Claim:
    record = {name.decode(): value.decode() for name, value in fields.items()}
    waited_s, elapsed_s = max(0, queued_ms) / 1000, max(0, begun_ms) / 1000
    return Claim(parse(job_id, fields), queue, lease, length, record, waited_s, elapsed_s, bool(lost))


def _pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    if len(flat) % 2:
        raise BrokerUnavailable("the broker's answer is not a record")
    return dict(zip(flat[::2], flat[1::2], strict=True))
