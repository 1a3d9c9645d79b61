"""The native API: send a message, resume its stream, stop it, ask how it stands."""

import asyncio
import uuid
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.dialects.native import frames as native
from gateway.edge import body as admission
from gateway.edge import streams as answering
from gateway.edge.state import OWNER, STATE, State
from gateway.edge.streams import answer_json, known_model, owned, stream_headers
from gateway.relay import ending
from shared import events
from shared.errors import InvalidRequest
from shared.generation import Generation, OnBusy, OnDisconnect, Request, Submission
from shared.messages import Failure
from shared.outcome import Outcome
from shared.position import ORIGIN


class ChatRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /api/chat/stream`"""

    message: str
    conversation_id: str | None = None
    model: str | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    multimodal: bool = False
    on_disconnect: OnDisconnect = "continue"
    on_busy: OnBusy = "reject"
    #: A generation of this conversation: its turn, with all that followed, gives way to this message.
    replaces: str | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /api/chat/{generation_id}`; times are milliseconds since the epoch."""

    generation_id: str
    state: str
    conversation_id: str | None
    model: str
    text: str
    position: str | None
    finish_reason: str | None
    error: Failure | None
    usage: dict[str, Any] | None
    attempts: int
    created_ms: int
    started_ms: int | None
    first_token_ms: int | None
    ended_ms: int | None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a cancel request; `cancelling`: its worker has not answered yet."""

    generation_id: str
    status: Literal["cancelled", "already_ended", "cancelling"]
    state: str
    position: str | None
    finish_reason: str | None
    usage: dict[str, Any] | None


async def send(request: web.Request) -> web.StreamResponse:
    """Accept a message and stream the answer to it."""
    state = request.app[STATE]
    body = await admission.read_body(request, ChatRequest)
    submission = _submission(state, request, body)
    return await answering.stream_new(request, submission, native, stream_headers)


async def resume(request: web.Request) -> web.StreamResponse:
    """Go on with a stream behind `Last-Event-ID` or `?after=`."""
    generation_id = request.match_info["generation_id"]
    return await answering.resume(request, generation_id, native, stream_headers)


async def cancel(request: web.Request) -> web.StreamResponse:
    """Stop a generation, and say what became of it."""
    state = request.app[STATE]
    generation = await owned(state, request, request.match_info["generation_id"])
    receipt = await stop(state, generation)
    return answer_json(receipt, status=202 if receipt.status == "cancelling" else 200)


async def stop(state: State, generation: Generation) -> Receipt:
    """Cancel *generation* for its owner, and wait for what becomes of it."""
    outcome: Literal["cancelled", "already_ended", "cancelling"] = "already_ended"
    if not generation.ended:
        after = await state.log.top(generation.id)
        async with state.relay.subscribe(generation, ending, after or ORIGIN) as subscriber:
            answer = await state.generations.cancel(generation.id, generation.owner, "user")
            if answer == "pushed":
                try:
                    async with asyncio.timeout(state.settings.cancel_wait_s):
                        await subscriber.read()
                except TimeoutError:
                    outcome = "cancelling"
        generation = await state.generations.load(generation.id) or generation
        if generation.state == "cancelled":
            outcome = "cancelled"
    return Receipt(
        generation_id=generation.id,
        status=outcome,
        state=generation.state,
        position=generation.position,
        finish_reason=generation.finish_reason,
        usage=_usage(generation),
    )


async def status(request: web.Request) -> web.StreamResponse:
    """How a generation stands, with its text so far."""
    state = request.app[STATE]
    generation = await owned(state, request, request.match_info["generation_id"])
    written = Outcome()
    position = generation.position
    if not generation.ended:
        for entry in await state.log.read_all(generation.id):
            written.add(events.decode(entry.event))
            position = str(entry.position)
    failed = generation.error_code is not None
    answer = Status(
        generation_id=generation.id,
        state=generation.state,
        conversation_id=generation.conversation,
        model=generation.model,
        text=written.text if generation.text is None else generation.text,
        position=position,
        finish_reason=generation.finish_reason,
        error=Failure(generation.error_code or "", generation.error_message or "") if failed else None,
        usage=_usage(generation),
        attempts=generation.attempt,
        created_ms=generation.created_ms,
        started_ms=generation.started_ms,
        first_token_ms=generation.first_token_ms or written.first_token_ms,
        ended_ms=generation.ended_ms,
    )
    return answer_json(answer)


def _submission(state: State, request: web.Request, body: ChatRequest) -> Submission:
    if body.multimodal:
        raise InvalidRequest("`multimodal` is not supported by this server.", field="multimodal")
    model = known_model(state, body.model)
    conversation_id = f"conv_{uuid.uuid4().hex}"
    if body.conversation_id is not None:
        conversation_id = admission.checked_id(body.conversation_id, "conversation_id")
    replaces = None
    if body.replaces is not None:
        replaces = admission.checked_id(body.replaces, "replaces")
        if body.conversation_id is None:
            raise InvalidRequest("`replaces` needs the `conversation_id` of its turn.", field="replaces")
    return Submission(
        generation_id=f"gen_{uuid.uuid4().hex}",
        owner=request[OWNER],
        model=model,
        queue=state.models.queue_of(model),
        dialect=native.name,
        request=Request(max_tokens=body.max_tokens),
        conversation_id=conversation_id,
        message=admission.clean_text(body.message, "message", state.settings.max_message_chars),
        replaces=replaces,
        on_busy=body.on_busy,
        on_disconnect=body.on_disconnect,
        idempotency_key=admission.idempotency_key(request),
        digest=admission.digest(body),
    )


def _usage(generation: Generation) -> dict[str, Any] | None:
    return msgspec.json.decode(generation.usage) if generation.usage is not None else None
