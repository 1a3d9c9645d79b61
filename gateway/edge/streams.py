"""
What every dialect's handlers do with a generation: accept it, stream it, take it up again, await its end.

Only its owner ever finds it.
"""

from collections.abc import Callable

from aiohttp import web

from gateway.edge import sse
from gateway.edge.access import owned, room_for_stream
from gateway.edge.state import STATE
from gateway.relay.dialect import Dialect, Encoder
from gateway.relay.ending import ENDING
from shared import metrics
from shared.errors import Gone, InvalidRequest, NotFound, Unavailable
from shared.generation import Generation, Submission
from shared.position import ORIGIN, Position

#: A generation's own headers: how a client finds it again.
Headers = Callable[[Generation], dict[str, str]]


async def stream_new(
    request: web.Request, submission: Submission, dialect: Dialect, headers: Headers
) -> web.StreamResponse:
    """Accept *submission* and stream its answer; a repeated one gets the first one's stream."""
    state = request.app[STATE]
    room_for_stream(state)
    generation = submission.generation()
    async with state.relay.subscribe(generation, dialect, fresh=True) as subscriber:
        known_id, new = await state.generations.create(submission)
        if new:
            return await sse.stream(
                request,
                subscriber,
                headers(generation),
                model=generation.model,
                retry_ms=state.settings.retry_ms,
            )
    known = await owned(state, request, known_id)
    replayed = {**headers(known), "Idempotent-Replayed": "true"}
    return await stream_known(request, known, dialect, ORIGIN, replayed)


async def stream_known(
    request: web.Request,
    generation: Generation,
    dialect: Dialect,
    after: Position,
    headers: dict[str, str],
    *,
    encoder: Callable[[Generation], Encoder] | None = None,
) -> web.StreamResponse:
    """Stream *generation* after *after*; its replay is made by *encoder*, if one is given."""
    state = request.app[STATE]
    async with state.relay.subscribe(generation, dialect, after, encoder=encoder) as subscriber:
        return await sse.stream(
            request, subscriber, headers, model=generation.model, retry_ms=state.settings.retry_ms
        )


async def resume(
    request: web.Request, generation_id: str, dialect: Dialect, headers: Headers
) -> web.StreamResponse:
    """Go on with a stream behind `Last-Event-ID` or `?after=`; 204 where nothing follows."""
    state = request.app[STATE]
    after = resume_position(request)
    room_for_stream(state)
    try:
        generation = await owned(state, request, generation_id)
    except NotFound:
        metrics.resumes.labels("not_found").inc()
        raise
    if generation.ended:
        top = await state.log.top(generation.id)
        if top is None:
            metrics.resumes.labels("gone").inc()
            raise expired(f"/api/chat/{generation.id}")
        if after >= top:
            # 204 tells an EventSource to stop connecting.
            metrics.resumes.labels("finished").inc()
            return web.Response(status=204, headers=headers(generation))
    metrics.resumes.labels("ok").inc()
    return await stream_known(request, generation, dialect, after, headers(generation))


async def await_new(request: web.Request, submission: Submission) -> tuple[Generation, bool]:
    """Accept *submission* and wait for its end; a repeated one is the first. Tells whether it was new."""
    state = request.app[STATE]
    room_for_stream(state)
    generation = submission.generation()
    async with state.relay.subscribe(generation, ENDING, fresh=True) as subscriber:
        known_id, new = await state.generations.create(submission)
        if new:
            await subscriber.end()
    known = await owned(state, request, known_id)
    if not known.ended:
        async with state.relay.subscribe(known, ENDING) as subscriber:
            await subscriber.end()
        known = await owned(state, request, known_id)
    if not known.ended:
        raise Unavailable("The answer has ended, but its record does not say so yet.", retry_after_s=1)
    return known, new


def stream_headers(generation: Generation) -> dict[str, str]:
    """How a client of the native API finds the stream again."""
    headers = {"X-Generation-Id": generation.id, "Location": f"/api/chat/{generation.id}/stream"}
    if generation.conversation is not None:
        headers["X-Conversation-Id"] = generation.conversation
    return headers


def resume_position(request: web.Request) -> Position:
    """Where a reader goes on: `Last-Event-ID`, else `?after=`, else the beginning."""
    field, value = "Last-Event-ID", request.headers.get("Last-Event-ID")
    if not value:
        field, value = "after", request.query.get("after")
    if not value:
        return ORIGIN
    try:
        return Position.parse(value)
    except ValueError as error:
        raise InvalidRequest(f"`{field}` is not a position: {error}.", field=field) from error


def expired(where: str) -> Gone:
    """The answer for a log that is no more: where the text is."""
    return Gone(f"This stream's log has expired; its final text is at {where}.", detail={"location": where})
