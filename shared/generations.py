"""
A generation's record: what was asked, who may see it, how far it is, and how it ended.

`queued -> running -> done | failed | cancelled`; each change is one atomic step, terminal is final.
"""

from typing import Any, Literal, cast

import msgspec

from shared import events, keys, messages, metrics
from shared.broker import Broker
from shared.errors import BrokerUnavailable, Busy, IdempotencyMismatch, NotFound, TooBusy
from shared.event_log import EventLog
from shared.events import CancelReason, End, Terminal, Usage
from shared.generation import Generation, Submission, parse
from shared.messages import Message
from shared.outcome import Outcome
from shared.queue import job_payload
from shared.replication import replicated


class Generations:
    """All records behind one broker."""

    def __init__(self, broker: Broker, *, max_queued: int, idempotency_ttl_s: int) -> None:
        self._broker = broker
        self._log = EventLog(broker)
        self._max_queued = max_queued
        self._idempotency_ttl_ms = idempotency_ttl_s * 1000

    async def create(self, submission: Submission) -> tuple[str, bool]:
        """
        Accept *submission*: gives the generation's id, and whether it is new.

        A known idempotency key gives the first submission's id. Raises `Busy` when the conversation
        is being answered, `TooBusy` when the queue is full, `IdempotencyMismatch` when the key came
        with another request, `NotFound` when the turn to be replaced is not in the conversation.
        """
        payload = job_payload(submission.generation_id)
        answer = await self._broker.run("create", [_creation(submission, self), payload])
        outcome = answer[0].decode()
        if outcome == "known":
            return _same(answer[1].decode(), submission), False
        if outcome == "busy":
            raise Busy(field="conversation_id", detail={"generation_id": answer[1].decode()})
        if outcome == "no_turn":
            raise NotFound("The conversation has no turn of that generation.", field="replaces")
        if outcome == "too_busy":
            raise TooBusy(retry_after_s=2)
        if self._broker.settings.min_replicas and not await replicated(
            self._broker, submission.generation_id
        ):
            raise BrokerUnavailable(retry_after_s=1)
        metrics.generations_created.labels(submission.model, submission.dialect).inc()
        if outcome == "waiting" and submission.on_busy == "interrupt":
            # Those that wait go first, or the end of the active one would start them.
            for generation_id in reversed(answer[1:]):
                await self.cancel(generation_id.decode(), submission.owner, "interrupted")
        return submission.generation_id, True

    async def known(self, submission: Submission) -> str | None:
        """
        The id of the generation that the same submission has begun, by its idempotency key; None where
        there is none. Raises `IdempotencyMismatch` when the key came with another request.
        """
        if submission.idempotency_key is None:
            return None
        async with self._broker.watch("known"):
            raw = await self._broker.redis.get(
                f"{keys.IDEMPOTENCY}{submission.owner}:{submission.idempotency_key}"
            )
        return None if raw is None else _same(raw.decode(), submission)

    async def load(self, generation_id: str) -> Generation | None:
        """The record, or None when there is none (any more)."""
        async with self._broker.watch("load"):
            fields = await self._broker.redis.hgetall(keys.RECORD + generation_id)  # type: ignore[misc]
        return parse(generation_id, fields) if fields else None

    async def forget(self, generation_id: str) -> None:
        """Delete an ended generation's record and log."""
        async with self._broker.watch("forget"):
            await self._broker.redis.delete(keys.RECORD + generation_id, keys.LOG + generation_id)

    async def cancel(
        self, generation_id: str, owner: str, reason: CancelReason
    ) -> Literal["missing", "ended", "pushed", "closed"]:
        """
        Stop a generation. One that a worker holds is `pushed`: the worker ends it within moments.
        One that nobody holds is `closed` here and now, with the text it has.
        """
        answer = (await self._broker.run("cancel", [generation_id, owner, reason])).decode()
        if answer != "unheld":
            return cast(Literal["missing", "ended", "pushed"], answer)
        end = End(ts=events.now_ms(), finish_reason="cancelled", reason=reason)
        outcome = await self.close(generation_id, end, overdue_s=0)
        if outcome == "closed":
            metrics.cancels.labels(reason).inc()
        return "pushed" if outcome == "held" else outcome

    async def close(
        self, generation_id: str, terminal: Terminal, *, overdue_s: float
    ) -> Literal["closed", "ended", "held"]:
        """End a generation that no worker holds, or whose lease ran out *overdue_s* ago."""
        while True:
            log = await self._log.read_all(generation_id)
            written = Outcome()
            for entry in log:
                written.add(events.decode(entry.event))
            if isinstance(terminal, End) and terminal.usage == Usage():
                terminal = msgspec.structs.replace(terminal, usage=written.usage())
            answer = await self._broker.run(
                "close",
                [
                    generation_id,
                    len(log),
                    events.encode(terminal),
                    written.closing(generation_id, terminal),
                    int(overdue_s * 1000),
                ],
            )
            if answer != b"changed":
                return cast(Literal["closed", "ended", "held"], answer.decode())


def _same(known: str, submission: Submission) -> str:
    known_id, _, digest = known.partition(" ")
    if digest != submission.digest:
        raise IdempotencyMismatch(field="Idempotency-Key")
    return known_id


def _creation(submission: Submission, limits: Any) -> bytes:
    record = {
        "owner": submission.owner,
        "model": submission.model,
        "queue": submission.queue,
        "dialect": submission.dialect,
        "on_disconnect": submission.on_disconnect,
        "request": msgspec.json.encode(submission.request).decode(),
    }
    if submission.dialect_options:
        record["dialect_options"] = msgspec.json.encode(submission.dialect_options).decode()
    new: dict[str, Any] = {
        "id": submission.generation_id,
        "owner": submission.owner,
        "queue": submission.queue,
        "max_queued": limits._max_queued,
        "idempotency_ttl_ms": limits._idempotency_ttl_ms,
        "digest": submission.digest,
        "on_busy": submission.on_busy,
        "record": record,
    }
    if submission.conversation_id is not None:
        turn = Message(
            role="user",
            generation_id=submission.generation_id,
            content=submission.message,
            ts=events.now_ms(),
        )
        record["conversation"] = submission.conversation_id
        record["turn"] = messages.encode(turn).decode()
        if submission.replaces is not None:
            record["replaces"] = submission.replaces
        new["conversation"] = submission.conversation_id
        new["title"] = submission.message[:80]
    if submission.idempotency_key is not None:
        new["idempotency"] = submission.idempotency_key
        # For `lua/restore.lua`.
        record |= {"idempotency": submission.idempotency_key, "digest": submission.digest}
    return msgspec.json.encode(new)
