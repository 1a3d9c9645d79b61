"""The native API: send a message, resume its stream, stop it, ask how it stands."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.dialects.native.continuation import continuation
from gateway.dialects.native.frames import NATIVE
from gateway.dialects.native.message import MessagePart, Said, read_message
from gateway.dialects.native.typed import TYPED, Options, typed, wants_typed
from gateway.edge import streams
from gateway.edge.access import checked_settings, known_model, owned
from gateway.edge.answers import answer_json
from gateway.edge.body import checked_id, decode_body, read_bytes, too_large
from gateway.edge.cancellation import stop
from gateway.edge.state import ASKER, STATE
from gateway.edge.submission import new_conversation_id, submission
from gateway.relay.dialect import Dialect
from shared import events
from shared.errors import InvalidRequest
from shared.events import Usage
from shared.generation import ChatSettings, Generation, OnBusy, OnDisconnect, Request, Submission
from shared.messages import Failure
from shared.outcome import Outcome
from shared.parts import Part


class ChatRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /api/chat/stream`"""

    #: A text, or parts: texts, pictures and files. Without one, `continues` says what is asked for.
    message: str | Annotated[list[MessagePart], Meta(min_length=1, max_length=50)] | None = None
    conversation_id: str | None = None
    model: str | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    multimodal: bool = False
    on_disconnect: OnDisconnect = "continue"
    on_busy: OnBusy = "reject"
    #: A generation of this conversation: its turn, with all that followed, gives way to this message.
    replaces: str | None = None
    #: A generation of this conversation whose reply was cut for its length: it goes on from its text.
    continues: str | None = None
    #: How this conversation is answered from now on.
    settings: ChatSettings | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /api/chat/{generation_id}`; times are milliseconds since the epoch."""

    generation_id: str
    state: str
    conversation_id: str | None
    model: str
    text: str
    #: Its pictures, each where it stands in the text.
    parts: list[Part]
    position: str | None
    finish_reason: str | None
    error: Failure | None
    #: Of what its reader got.
    usage: Usage | None
    #: Of all that upstreams were asked, where that is more; what it cost; and who answered, of several.
    billed: Usage | None
    cost: float | None
    upstreams: list[str]
    attempts: int
    created_ms: int
    started_ms: int | None
    first_token_ms: int | None
    ended_ms: int | None


async def send(request: web.Request) -> web.StreamResponse:
    """Accept a message and stream the answer to it."""
    body = await _read(request)
    dialect = TYPED if wants_typed(request, body.multimodal) else NATIVE
    asked = await _submission(request, body, await _settings(request, body))
    if body.continues is not None:
        asked = await continuation(request.app[STATE], asked, body.continues, body.model)
    return await streams.stream_new(request, asked, dialect, streams.stream_headers)


async def resume(request: web.Request) -> web.StreamResponse:
    """Resume a stream after `Last-Event-ID` or `?after=`; typed if it began so, or as `?multimodal=` says."""
    generation_id = request.match_info["generation_id"]

    def dialect_of(generation: Generation) -> Dialect:
        return TYPED if typed(request, generation) else NATIVE

    return await streams.resume(request, generation_id, dialect_of, streams.stream_headers)


async def cancel(request: web.Request) -> web.StreamResponse:
    """Stop a generation, and say what became of it."""
    state = request.app[STATE]
    generation = await owned(state, request, request.match_info["generation_id"])
    receipt = await stop(state, generation)
    return answer_json(receipt, status=202 if receipt.status == "cancelling" else 200)


async def status(request: web.Request) -> web.StreamResponse:
    """How a generation stands, with its text so far."""
    state = request.app[STATE]
    generation = await owned(state, request, request.match_info["generation_id"])
    written = Outcome()
    position = generation.position
    if not generation.ended:
        async for page in state.log.pages(generation.id):
            for entry in page:
                written.add(events.decode(entry.event))
            position = str(page[-1].position)
    answer = Status(
        generation_id=generation.id,
        state=generation.state,
        conversation_id=generation.conversation,
        model=generation.model,
        text=written.text if generation.text is None else generation.text,
        parts=written.parts if generation.text is None else generation.pictures,
        position=position,
        finish_reason=generation.finish_reason,
        error=generation.failed,
        usage=generation.spent,
        billed=generation.paid,
        cost=generation.cost,
        upstreams=generation.served_by if generation.ended else written.upstreams,
        attempts=generation.attempt,
        created_ms=generation.created_ms,
        started_ms=generation.started_ms,
        first_token_ms=generation.first_token_ms or written.first_token_ms,
        ended_ms=generation.ended_ms,
    )
    return answer_json(answer)


async def _read(request: web.Request) -> ChatRequest:
    """The body, which may have pictures in it; one of text alone is no larger than any."""
    settings = request.app[STATE].settings
    raw = await read_bytes(request, settings.max_body_bytes + settings.max_upload_bytes * 4 // 3)
    is_large = len(raw) > settings.max_body_bytes
    try:
        body = decode_body(raw, ChatRequest)
    except InvalidRequest as error:
        # What is wrong with a large one is said where it is JSON: it may have pictures.
        raise (too_large(settings.max_body_bytes) if is_large and error.field is None else error) from None
    if is_large and not isinstance(body.message, list):
        raise too_large(settings.max_body_bytes)
    return body


async def _settings(request: web.Request, body: ChatRequest) -> ChatSettings:
    """What counts for this message: what it says itself, else what its conversation does."""
    state = request.app[STATE]
    kept = body.settings
    if kept is None and body.conversation_id is not None:
        kept = await state.conversations.settings(
            request[ASKER].owner, checked_id(body.conversation_id, "conversation_id")
        )
    said = {"model": body.model, "max_tokens": body.max_tokens}
    return msgspec.structs.replace(
        checked_settings(state, kept or ChatSettings()),
        **{name: value for name, value in said.items() if value is not None},
    )


async def _submission(request: web.Request, body: ChatRequest, settings: ChatSettings) -> Submission:
    state = request.app[STATE]
    if body.conversation_id is None:
        conversation_id = new_conversation_id(request)
    else:
        conversation_id = checked_id(body.conversation_id, "conversation_id")
    if body.replaces is not None:
        checked_id(body.replaces, "replaces")
        if body.conversation_id is None:
            raise InvalidRequest("`replaces` needs the `conversation_id` of its turn.", field="replaces")
    if body.continues is not None:
        _check_continues(body, body.continues)
    elif body.message is None:
        raise InvalidRequest("The body needs a `message`, or says what it `continues`.", field="message")
    model = known_model(state, settings.model)
    said = Said()
    if body.message is not None:
        said = await read_message(request, body.message, conversation_id, model)
    return submission(
        request,
        body,
        NATIVE,
        model=model,
        asked=Request(
            needs=list(said.needs),
            max_tokens=settings.max_tokens,
            parameters={} if settings.temperature is None else {"temperature": settings.temperature},
            system_prompt=settings.system_prompt,
        ),
        settings=body.settings,
        options=Options(multimodal=True) if body.multimodal else None,
        conversation_id=conversation_id,
        message=said.text,
        parts=list(said.parts) or None,
        replaces=body.replaces,
        on_busy=body.on_busy,
        on_disconnect=body.on_disconnect,
    )


def _check_continues(body: ChatRequest, continues: str) -> None:
    checked_id(continues, "continues")
    if body.conversation_id is None:
        raise InvalidRequest("`continues` needs the `conversation_id` of its reply.", field="continues")
    if body.on_busy != "reject":
        raise InvalidRequest("What waits for another reply has none to continue.", field="on_busy")
    for field in ("message", "replaces"):
        if getattr(body, field) is not None:
            raise InvalidRequest(f"`{field}` and `continues` exclude each other.", field=field)
