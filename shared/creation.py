"""What the broker is told of a generation that begins: its record, and under which limits it is accepted."""

from typing import Any

import msgspec

from shared import events, messages
from shared.generation import Submission
from shared.headline import title_of
from shared.messages import Message


def creation(submission: Submission, *, max_queued: int, max_wait_s: float, idempotency_ttl_ms: int) -> bytes:
    """The JSON that `lua/create.lua` reads."""
    record = {
        "owner": submission.owner,
        "model": submission.model,
        "queue": submission.queue,
        "dialect": submission.dialect,
        "on_disconnect": submission.on_disconnect,
        "request": msgspec.json.encode(submission.request).decode(),
    }
    if submission.tenant:
        record["tenant"] = submission.tenant
    if submission.weight != 1:
        record["weight"] = repr(submission.weight)
    if submission.priority != "interactive":
        record["priority"] = submission.priority
    if submission.request.speech is not None and submission.request.speech.generation_id is not None:
        record["speaks"] = submission.request.speech.generation_id
    if submission.hook:
        record["hook"] = "1"
    if submission.trace:
        record["trace"] = submission.trace
    if submission.request_id:
        record["request_id"] = submission.request_id
    if submission.dialect_options:
        record["dialect_options"] = msgspec.json.encode(submission.dialect_options).decode()
    new: dict[str, Any] = {
        "id": submission.generation_id,
        "owner": submission.owner,
        "queue": submission.queue,
        "max_queued": max_queued,
        "max_wait_ms": int(max_wait_s * 1000),
        "idempotency_ttl_ms": idempotency_ttl_ms,
        "digest": submission.digest,
        "on_busy": submission.on_busy,
        "record": record,
    }
    if submission.conversation_id is not None:
        record["conversation"] = submission.conversation_id
        if submission.request.continued is not None:
            record["continues"] = submission.request.continued.generation_id
        else:
            turn = Message(
                role="user",
                generation_id=submission.generation_id,
                content=submission.message,
                ts=events.now_ms(),
                parts=submission.parts,
                items=submission.items,
            )
            record["turn"] = messages.encode(turn).decode()
        if submission.replaces is not None:
            record["replaces"] = submission.replaces
        new["conversation"] = submission.conversation_id
        if submission.settings is not None:
            new["settings"] = msgspec.json.encode(submission.settings).decode()
        names = " ".join(part.name for part in submission.parts or ())
        new["title"] = title_of(submission.message or names)
    if submission.idempotency_key is not None:
        new["idempotency"] = submission.idempotency_key
        # For `lua/restore.lua`.
        record |= {"idempotency": submission.idempotency_key, "digest": submission.digest}
    return msgspec.json.encode(new)
