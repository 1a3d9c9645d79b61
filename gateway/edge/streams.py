"""
What every dialect's handlers do with a generation: accept it, stream it, take it up again, await its end.

Only its owner ever finds it.
"""

from collections.abc import Callable

import msgspec
from aiohttp import web

from gateway.edge import body as admission
from gateway.edge import sse
from gateway.edge.state import OWNER, STATE, State
from gateway.relay import ending
from gateway.relay.dialect import Dialect
from shared import metrics
from shared.errors import BrokerUnavailable, NotFound, TooBusy, UnknownModel
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
    request: web.Request, generation: Generation, dialect: Dialect, after: Position, headers: dict[str, str]
) -> web.StreamResponse:
    """Stream *generation* behind *after*."""
    state = request.app[STATE]
    async with state.relay.subscribe(generation, dialect, after) as subscriber:
        return await sse.stream(
            request, subscriber, headers, model=generation.model, retry_ms=state.settings.retry_ms
        )


async def resume(
    request: web.Request, generation_id: str, dialect: Dialect, headers: Headers
) -> web.StreamResponse:
    """Go on with a stream behind `Last-Event-ID` or `?after=`; 204 where nothing follows."""
    state = request.app[STATE]
    after = admission.resume_position(request)
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
            raise admission.expired(f"/api/chat/{generation.id}")
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
    async with state.relay.subscribe(generation, ending, fresh=True) as subscriber:
        known_id, new = await state.generations.create(submission)
        if new:
            await subscriber.read()
    if not new:
        known = await owned(state, request, known_id)
        if not known.ended:
            async with state.relay.subscribe(known, ending) as subscriber:
                await subscriber.read()
    return await owned(state, request, known_id), new


async def owned(state: State, request: web.Request, generation_id: str) -> Generation:
    """The generation, if it is the asker's; a stranger's is not found."""
    generation = await state.generations.load(generation_id)
    if generation is None and state.relay.settling:
        raise BrokerUnavailable(retry_after_s=1)
    if generation is None or generation.owner != request[OWNER]:
        raise NotFound("There is no generation of that id.", field="generation_id")
    return generation


def known_model(state: State, name: str | None) -> str:
    """The model of that name, or the default one. Raises `UnknownModel`."""
    if name is None:
        return state.models.default
    if name not in state.models.by_name:
        known = ", ".join(state.models.by_name)
        raise UnknownModel(f"No model is named {name[:100]!r}; there is: {known}.", field="model")
    return name


def room_for_stream(state: State) -> None:
    """Raises `TooBusy` when this process has as many streams open as it may."""
    if state.relay.open_streams >= state.settings.max_open_streams:
        raise TooBusy("This gateway has no room for another stream.", retry_after_s=2)


def stream_headers(generation: Generation) -> dict[str, str]:
    """How a client of the native API finds the stream again."""
    headers = {"X-Generation-Id": generation.id, "Location": f"/api/chat/{generation.id}/stream"}
    if generation.conversation is not None:
        headers["X-Conversation-Id"] = generation.conversation
    return headers


def answer_json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """*value* as a JSON answer."""
    body = msgspec.json.encode(value)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")
