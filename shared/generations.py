"""
A generation's record: what was asked, who may see it, how far it is, and how it ended.

`queued -> running -> done | failed | cancelled`; each change is one atomic step, terminal is final.
"""

from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Literal, TypeVar, cast

import msgspec

from shared import blobs, events, keys, metrics
from shared.backlog import Backlog
from shared.broker import Broker
from shared.cells import Cell
from shared.creation import creation
from shared.errors import (
    BrokerRefused,
    BrokerUnavailable,
    Busy,
    IdempotencyMismatch,
    NotContinuable,
    NotFound,
    Overloaded,
    TooBusy,
)
from shared.event_log import EventLog
from shared.events import CancelReason, End, Terminal
from shared.generation import Generation, Submission, parse
from shared.outcome import Outcome, stopped_unbegun
from shared.owned import OwnedWork
from shared.queue import job_payload
from shared.replication import replicated
from shared.trim import TRIM_WITHIN_S, trim

_T = TypeVar("_T")

#: What became of a generation that was to be stopped.
Stopping = Literal["missing", "ended", "pushed", "closed"]


#: Nobody is told to come back later than this.
_LONGEST_RETRY_S = 60.0


class Generations:
    """All records of one broker."""

    def __init__(self, broker: Broker, *, max_queued: int, idempotency_ttl_s: int) -> None:
        self._broker = broker
        self._log = EventLog(broker)
        self._blobs = blobs.Blobs(broker)
        self._max_queued = max_queued
        self._backlogs: dict[str, Backlog] = {}
        self._owned = OwnedWork()
        self._idempotency_ttl_ms = idempotency_ttl_s * 1000

    async def create(self, submission: Submission) -> tuple[str, bool]:
        """
        Accept *submission*: gives the generation's id, and whether it is new.

        A known idempotency key gives the first submission's id. Raises `Busy` when the conversation
        is being answered, `TooBusy` when the queue is full, `IdempotencyMismatch` when the key came
        with another request, `NotFound` when the turn to be replaced is not in the conversation,
        `NotContinuable` when the reply to be continued is not its last message.
        """
        return await self.surely(self._create(submission))

    def max_wait_s(self, submission: Submission) -> float:
        """How long *submission* may have to wait; in the background half as long: it is shed first."""
        longest_s = self._broker.settings.max_wait_s
        return longest_s / 2 if submission.priority == "background" else longest_s

    async def _create(self, submission: Submission) -> tuple[str, bool]:
        payload, ending = job_payload(submission.generation_id), stopped_unbegun("interrupted")
        cell, backlog = self._cell(submission.generation_id), self._backlog(submission.queue)
        name = submission.conversation_id
        if name is not None and self._broker.cells.of_conversation(submission.owner, name) is not cell:
            # What is said would be where nobody looks for it.
            raise ValueError(f"{submission.generation_id} is not in its conversation's cell")
        most = self._max_queued - backlog.elsewhere(cell)
        new = creation(
            submission,
            max_queued=most,
            max_wait_s=self.max_wait_s(submission),
            idempotency_ttl_ms=self._idempotency_ttl_ms,
        )
        args: list[str | bytes | int] = [new, payload, *ending]
        answer = await self._broker.run("create", cell, args)
        outcome = answer[0].decode()
        if outcome == "known":
            return _same(answer[1].decode(), submission), False
        if outcome == "busy":
            raise Busy(field="conversation_id", detail={"generation_id": answer[1].decode()})
        if outcome == "no_turn":
            raise NotFound("The conversation has no turn of that generation.", field="replaces")
        if outcome == "overloaded":
            metrics.shed.labels(submission.priority).inc()
            raise Overloaded(retry_after_s=min(_LONGEST_RETRY_S, int(answer[1]) / 1000))
        if outcome == "not_last":
            raise NotContinuable(field="continues")
        if outcome == "too_busy":
            raise TooBusy(retry_after_s=2)
        wanted = self._broker.settings.min_replicas
        if wanted and not await replicated(self._broker, submission.generation_id):
            raise BrokerUnavailable(retry_after_s=1)
        metrics.generations_created.labels(metrics.labelled(submission.model), submission.dialect).inc()
        if outcome == "waiting":
            await self.settle_stopped(answer[1:], "interrupted")
        else:
            backlog.added(cell)
            if submission.conversation_id is not None and answer[2]:
                # They were needed for longer than this takes to come again.
                with suppress(BrokerUnavailable, BrokerRefused):
                    noted = blobs.listed(answer[2])
                    await self._blobs.hold(submission.owner, submission.conversation_id, noted)
            if submission.conversation_id is not None and answer[1]:
                await self.make_room(submission.owner, submission.conversation_id)
        return submission.generation_id, True

    async def make_room(self, owner: str, new: str) -> None:
        """Trim for *new*, which is there by now; a cell that is away holds it up for a moment alone."""
        if len(self._broker.cells) > 1:
            # What it could not see to is seen to with the next; a defect is told.
            with suppress(BrokerUnavailable, BrokerRefused):
                await self._owned.for_a_moment(trim(self._broker, owner, new), TRIM_WITHIN_S)

    async def known(self, submission: Submission) -> str | None:
        """
        The id of the generation that the same submission has begun, by its idempotency key; None where
        there is none. Raises `IdempotencyMismatch` when the key came with another request.
        """
        if submission.idempotency_key is None:
            return None
        cell = self._cell(submission.generation_id)
        key = cell.key(keys.IDEMPOTENCY, f"{submission.owner}:{submission.idempotency_key}")
        raw = await self._broker.call("known", cell, "GET", key)
        return None if raw is None else _same(raw.decode(), submission)

    async def load(self, generation_id: str) -> Generation | None:
        """The record, or None when there is none (any more)."""
        cell = self._cell(generation_id)
        fields = await self._broker.call("load", cell, "HGETALL", cell.key(keys.RECORD, generation_id))
        return parse(generation_id, fields) if fields else None

    async def forget(self, generation_id: str) -> None:
        """Delete an ended generation's record and log."""
        cell = self._cell(generation_id)
        both = cell.key(keys.RECORD, generation_id), cell.key(keys.LOG, generation_id)
        await self._broker.call("forget", cell, "DEL", *both)

    async def cancel(self, generation_id: str, owner: str, reason: CancelReason) -> Stopping:
        """
        Stop a generation. One that a worker holds is `pushed`: the worker ends it within moments.
        One that nobody holds is `closed` here and now, with the text it has.
        """
        return await self.surely(self._cancel(generation_id, owner, reason))

    async def settle_stopped(self, stopped: Sequence[bytes], reason: CancelReason) -> None:
        """*stopped* by a script, as id and what `stop` gave, …: close what nobody holds."""
        for generation_id, outcome in zip(stopped[::2], stopped[1::2], strict=True):
            await self._stopped(generation_id.decode(), outcome.decode(), reason)

    async def surely(self, work: Coroutine[Any, Any, _T]) -> _T:
        """
        Do *work* to its end, though its caller be cancelled: what follows an accepted step must not be lost
        with the client that asked for it.
        """
        return await self._owned.surely(work)

    async def finished(self) -> None:
        """Returns once what callers left behind is done."""
        await self._owned.finished()
        for backlog in self._backlogs.values():
            await backlog.finished()

    async def _cancel(self, generation_id: str, owner: str, reason: CancelReason) -> Stopping:
        ending = stopped_unbegun(reason)
        args: list[str | bytes | int] = [generation_id, owner, reason, *ending]
        outcome = (await self._broker.run("cancel", self._cell(generation_id), args)).decode()
        return await self._stopped(generation_id, outcome, reason)

    def _backlog(self, queue: str) -> Backlog:
        return self._backlogs.setdefault(queue, Backlog(self._broker, queue))

    def _cell(self, generation_id: str) -> Cell:
        return self._broker.cells.of_generation(generation_id)

    async def _stopped(self, generation_id: str, outcome: str, reason: CancelReason) -> Stopping:
        end = End(ts=events.now_ms(), finish_reason="cancelled", reason=reason)
        if outcome == "unheld":
            outcome = await self.close(generation_id, end, overdue_s=0)
        else:
            outcome = _counted(outcome, end)
        if outcome == "closed":
            metrics.cancels.labels(reason).inc()
        return cast(Stopping, "pushed" if outcome == "held" else outcome)

    async def close(
        self, generation_id: str, terminal: Terminal, *, overdue_s: float
    ) -> Literal["closed", "ended", "held"]:
        """End what no worker holds, or whose lease ran out *overdue_s* ago; what it has said counts."""
        while True:
            written, length = await self._written(generation_id)
            terminal = msgspec.structs.replace(terminal, **written.so_far())
            answer = await self._broker.run(
                "close",
                self._cell(generation_id),
                [
                    generation_id,
                    length,
                    events.encode(terminal),
                    written.closing(generation_id, terminal),
                    int(overdue_s * 1000),
                ],
            )
            if answer != b"changed":
                return cast(Literal["closed", "ended", "held"], _counted(answer.decode(), terminal))

    async def _written(self, generation_id: str) -> tuple[Outcome, int]:
        """What its log adds up to, and its length; -1 where another kind of key is in its place."""
        written, length = Outcome(), 0
        try:
            async for page in self._log.pages(generation_id):
                length += len(page)
                for entry in page:
                    written.add(events.decode(entry.event))
        except BrokerRefused:
            return Outcome(), -1
        return written, length


def _counted(answer: str, terminal: Terminal) -> str:
    """*answer* of a script without the model it names; an end that it made is counted, once."""
    outcome, _, model = answer.partition(" ")
    model = metrics.labelled(model)
    if outcome == "closed":
        if isinstance(terminal, End):
            metrics.generations_ended.labels(model, "cancelled").inc()
        else:
            metrics.generations_ended.labels(model, "failed").inc()
            metrics.generation_errors.labels(model, terminal.code).inc()
    return outcome


def _same(known: str, submission: Submission) -> str:
    known_id, _, digest = known.partition(" ")
    if digest != submission.digest:
        raise IdempotencyMismatch(field="Idempotency-Key")
    return known_id
