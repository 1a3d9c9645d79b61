"""How a generation really is, read from the broker: what a push may have failed to say."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from shared import keys
from shared.broker import Broker
from shared.cells import Cell
from shared.generation import Generation
from shared.position import Position

#: Answers about each generation; of them about its own keys alone: its record, its log, its conversation's
#: line.
_EACH = 8
_ITS_OWN = {0, 3, 4}


class Vitals(NamedTuple):
    """One generation, seen at one moment."""

    #: None when the record has expired.
    state: str | None
    #: The last position in its log; None when that is empty or gone.
    top: Position | None
    #: Seconds since its worker's last sign of life; None while no worker has it.
    worker_age_s: float | None
    #: Its place in the queue, 1 for the next; None when it does not wait.
    place: int | None
    #: Whether it is to end, but nothing holds or awaits it: neither the queue nor its conversation.
    orphaned: bool
    #: Seconds since it was enqueued; None while it waits for its conversation.
    queued_s: float | None
    #: Whether its record cannot be read: another kind of key is in its place.
    broken: bool


async def read_vitals(
    broker: Broker, cell: Cell, generations: Sequence[Generation], lease_s: float, now_ms: int
) -> list[Vitals]:
    """
    Look at all *generations*, which are in *cell*, in one round trip; *now_ms* is the cell's.
    Raises `BrokerUnavailable`.
    """
    commands: list[tuple[Any, ...]] = []
    for generation in generations:
        queue, job = cell.key(keys.QUEUE, generation.queue), cell.job(generation.id)
        waiting = cell.key(keys.NEXT, f"{generation.owner}:{generation.conversation}")
        commands += [
            ("HMGET", cell.key(keys.RECORD, generation.id), "state", "queued_ms"),
            ("ZSCORE", queue, job),
            ("ZRANK", queue, job),
            ("XREVRANGE", cell.key(keys.LOG, generation.id), "+", "-", "COUNT", 1),
            ("LPOS", waiting, generation.id),
            *_turn(cell, generation),
        ]
    answers = await broker.pipe("vitals", cell, commands, tolerates=_is_its_own)
    return [_vitals(answers[i : i + _EACH], now_ms, lease_s) for i in range(0, len(answers), _EACH)]


def _turn(cell: Cell, generation: Generation) -> list[tuple[Any, ...]]:
    """Where it stands among its user's, and how many users and tenants take turns with it."""
    tenant, queue, kind = generation.tenant or generation.owner, generation.queue, generation.priority
    return [
        ("LPOS", cell.key(keys.LINE, f"{kind}:{tenant}:{generation.owner}:{queue}"), generation.id),
        ("ZCARD", cell.key(keys.USERS, f"{kind}:{tenant}:{queue}")),
        ("ZCARD", cell.key(keys.TURNS, f"{kind}:{queue}")),
    ]


def _is_its_own(i: int, error: Exception) -> bool:
    """A generation's own key of another kind is its own trouble; without a queue, all are lost."""
    return i % _EACH in _ITS_OWN and str(error).startswith("WRONGTYPE")


class _Answer(NamedTuple):
    """What the broker says of one generation, command by command; None for a key of another kind, too."""

    record: tuple[bytes | None, bytes | None] | None
    due: float | None
    rank: int | None
    top: list[tuple[bytes, object]] | None
    turn: int | None
    ahead: int | None
    users: int | None
    tenants: int | None


def _vitals(answers: Sequence[Any], now_ms: float, lease_s: float) -> Vitals:
    broken = isinstance(answers[0], Exception)
    answer = _Answer(*(None if isinstance(each, Exception) else each for each in answers))
    raw_state, queued_ms = answer.record or (None, None)
    state = raw_state.decode() if raw_state else None
    age = place = None
    if state == "running" and answer.due is not None:
        age = max(0.0, (now_ms - answer.due) / 1000 + lease_s)
    if state == "queued":
        place = next((p + 1 for p in (answer.rank, answer.turn) if p is not None), None)
        if answer.rank is not None and answer.ahead is not None:
            # Each that is ahead among its user's waits for a turn of every other user.
            turns = answer.ahead * max(1, answer.users or 1) * max(1, answer.tenants or 1)
            place = min(answer.rank, turns) + 1
    return Vitals(
        state=state,
        top=Position.of(answer.top[0][0]) if answer.top else None,
        worker_age_s=age,
        place=place,
        orphaned=state in {"queued", "running"} and answer.due is None and place is None,
        queued_s=(now_ms - int(queued_ms)) / 1000 if queued_ms else None,
        broken=broken,
    )
