"""
What every dialect's handlers do with a generation: accept it, stream it, take it up again, await its end.

Only its owner ever finds it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.edge import sse
from gateway.edge.access import owned, room_for_stream
from gateway.edge.limits import accept, bounded
from gateway.edge.places import place_for_stream
from gateway.edge.state import ASKER, STATE, State
from gateway.relay.dialect import Dialect, Encoder, Resumption
from gateway.relay.ending import ENDING
from gateway.relay.feed import Subscriber
from gateway.relay.relay import ahead
from shared import logs, metrics, tracing
from shared.errors import Gone, InvalidRequest, NotFound, Resumable, Unavailable
from shared.generation import Generation, Submission
from shared.position import ORIGIN, Position
from shared.sockets import notice_loss

#: A generation's own headers: how a client finds it again.
Headers = Callable[[Generation], dict[str, str]]


async def stream_new(
    request: web.Request, submission: Submission, dialect: Dialect, headers: Headers
) -> web.StreamResponse:
    """Accept *submission* and stream its answer; a repeated one gets the first one's stream."""
    state, submission = request.app[STATE], bounded(request[ASKER], submission)
    room_for_stream(state)
    _notice_loss(request)
    if request.headers.get("Last-Event-ID"):
        return await _come_again(request, submission, dialect, headers)
    generation = submission.generation()
    _tell_which(generation)
    async with place_for_stream(request, taken=False) as place:
        async with reading(request, generation, dialect, fresh=True) as subscriber:
            known_id, new = await accept(request, submission, place)
            if new:
                return await sse.stream(
                    request,
                    subscriber,
                    headers(generation),
                    model=generation.model,
                    retry_ms=state.settings.retry_ms,
                    whole=True,
                )
        known = await owned(state, request, known_id)
        replayed = {**headers(known), "Idempotent-Replayed": "true"}
        return await _stream_held(request, known, dialect, ORIGIN, replayed, whole=True)


async def stream_known(
    request: web.Request,
    generation: Generation,
    dialect: Dialect,
    after: Position,
    headers: dict[str, str],
    *,
    encoder: Callable[[Generation], Encoder] | None = None,
    whole: bool = False,
) -> web.StreamResponse:
    """Stream *generation* after *after*; its replay is made by *encoder*, if one is given."""
    if request.method == "HEAD":
        return sse.announced(request, headers)
    _notice_loss(request)
    async with place_for_stream(request):
        return await _stream_held(request, generation, dialect, after, headers, encoder=encoder, whole=whole)


async def _stream_held(
    request: web.Request,
    generation: Generation,
    dialect: Dialect,
    after: Position,
    headers: dict[str, str],
    *,
    encoder: Callable[[Generation], Encoder] | None = None,
    whole: bool = False,
) -> web.StreamResponse:
    """The same, where a place is held already."""
    state = request.app[STATE]
    _tell_which(generation)
    async with reading(request, generation, dialect, after, encoder=encoder) as subscriber:
        await state.relay.arrive()
        return await sse.stream(
            request,
            subscriber,
            headers,
            model=generation.model,
            retry_ms=state.settings.retry_ms,
            whole=whole,
        )


async def _come_again(
    request: web.Request, submission: Submission, dialect: Dialect, headers: Headers
) -> web.StreamResponse:
    """
    Some clients reconnect by sending their POST again, with their last id. With its idempotency key that
    resumes; otherwise it would be a second reply, so it is refused with the place to resume from.
    """
    state, (after, encoder) = request.app[STATE], _resumption(request, dialect)
    known_id = await state.generations.known(submission)
    if known_id is not None:
        known = await owned(state, request, known_id)
        replayed = {**headers(known), "Idempotent-Replayed": "true"}
        if known.ended and await nothing_follows(state, known, after):
            return web.Response(status=204, headers=replayed)
        return await stream_known(request, known, dialect, after, replayed, encoder=encoder)
    location = {}
    if submission.conversation_id is not None:
        conversation = await state.conversations.load(submission.owner, submission.conversation_id)
        if conversation is not None and conversation.active is not None:
            location = {"location": headers(await owned(state, request, conversation.active))["Location"]}
    raise Resumable(field="Last-Event-ID", detail=location)


async def resume(
    request: web.Request, generation_id: str, dialect_of: Callable[[Generation], Dialect], headers: Headers
) -> web.StreamResponse:
    """Resume a stream after `Last-Event-ID` or `?after=`, 204 where nothing follows."""
    state = request.app[STATE]
    room_for_stream(state)
    try:
        generation = await owned(state, request, generation_id)
    except NotFound:
        metrics.resumes.labels("not_found").inc()
        raise
    dialect = dialect_of(generation)
    after, encoder = _resumption(request, dialect)
    if generation.ended and await nothing_follows(state, generation, after):
        # 204 tells an EventSource to stop connecting.
        return web.Response(status=204, headers=headers(generation))
    metrics.resumes.labels("ok").inc()
    return await stream_known(request, generation, dialect, after, headers(generation), encoder=encoder)


async def nothing_follows(state: State, ended: Generation, after: Position) -> bool:
    """
    Whether *after* is the end of an ended generation. Raises `Gone` when its log has expired, and
    `InvalidRequest` for a position beyond its end, which is another's.
    """
    top = await state.log.top(ended.id)
    if top is None:
        metrics.resumes.labels("gone").inc()
        raise expired(f"/api/chat/{ended.id}")
    if after > top:
        raise ahead(after, top)
    if after == top:
        metrics.resumes.labels("finished").inc()
    return after == top


async def await_new(request: web.Request, submission: Submission) -> tuple[Generation, bool]:
    """Accept *submission* and wait for its end; a repeated one is the first. Tells whether it was new."""
    state, submission = request.app[STATE], bounded(request[ASKER], submission)
    room_for_stream(state)
    _notice_loss(request)
    generation = submission.generation()
    _tell_which(generation)
    async with reading(request, generation, ENDING, fresh=True) as subscriber:
        known_id, new = await accept(request, submission)
        if new:
            await subscriber.end()
    known = await owned(state, request, known_id)
    if not known.ended:
        async with reading(request, known, ENDING) as subscriber:
            await subscriber.end()
        known = await owned(state, request, known_id)
    if not known.ended:
        raise Unavailable("The answer has ended, but its record does not say so yet.", retry_after_s=1)
    return known, new


@asynccontextmanager
async def reading(
    request: web.Request,
    generation: Generation,
    dialect: Dialect,
    after: Position = ORIGIN,
    *,
    encoder: Callable[[Generation], Encoder] | None = None,
    fresh: bool = False,
) -> AsyncIterator[Subscriber]:
    """`Relay.subscribe` for the sender of *request*, until what let it in opens nothing any more."""
    state = request.app[STATE]
    async with state.relay.subscribe(generation, dialect, after, encoder=encoder, fresh=fresh) as subscriber:
        with state.revocations.ending(request[ASKER], subscriber.dismiss):
            yield subscriber


def _tell_which(generation: Generation) -> None:
    """In logs, and in a trace where there is one."""
    logs.also(generation=generation.id)
    if (spans := tracing.spans) is not None:
        facts = {"headrace.generation.id": generation.id, "gen_ai.request.model": generation.model}
        if generation.conversation is not None:
            facts["gen_ai.conversation.id"] = generation.conversation
        spans.tell(facts)


def _notice_loss(request: web.Request) -> None:
    """A reader whose network vanishes must not count as watching: its generation may cost money."""
    if request.transport is not None:
        notice_loss(request.transport.get_extra_info("socket"))


def stream_headers(generation: Generation) -> dict[str, str]:
    """How a client of the native API finds the stream again."""
    headers = {"X-Generation-Id": generation.id, "Location": f"/api/chat/{generation.id}/stream"}
    if generation.conversation is not None:
        headers["X-Conversation-Id"] = generation.conversation
    return headers


def resume_value(request: web.Request) -> tuple[str, str | None]:
    """Where a reader resumes, as it says: the field's name, and `Last-Event-ID`, else `?after=`."""
    if value := request.headers.get("Last-Event-ID"):
        return "Last-Event-ID", value
    return "after", request.query.get("after") or None


def checked_resumption(field: str, value: str, dialect: Dialect) -> Resumption:
    """What the id *value* says in *dialect*. Raises `InvalidRequest` naming *field*."""
    try:
        return dialect.resumption(value)
    except ValueError as error:
        raise InvalidRequest(f"`{field}` is not a position: {error}.", field=field) from error


def resume_position(request: web.Request, dialect: Dialect) -> Position:
    """Where a reader resumes, else the beginning."""
    return _resumption(request, dialect).after


def _resumption(request: web.Request, dialect: Dialect) -> Resumption:
    field, value = resume_value(request)
    return Resumption(ORIGIN) if value is None else checked_resumption(field, value, dialect)


def expired(where: str) -> Gone:
    """The answer for a log that is no more: where the text is."""
    return Gone(f"This stream's log has expired; its final text is at {where}.", detail={"location": where})
