"""
Runs of AG-UI: what `HttpAgent` calls at `POST /api/ag-ui`, and beside it how to come back and how to stop.

A thread is a conversation. Its client keeps the messages and sends them all, so they are the prompt as they
are. A run is a generation: the same `runId` again, with the same input, is the same run. A page that goes
away has not stopped anything: only the stop call does.
"""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.dialects.ag_ui.frames import AG_UI, Options
from gateway.dialects.ag_ui.messages import ThreadMessage, chat_messages, last_said
from gateway.edge import streams
from gateway.edge.access import known_model, room_for_stream
from gateway.edge.answers import answer_json
from gateway.edge.body import checked, checked_id, read_body
from gateway.edge.cancellation import Receipt, stop
from gateway.edge.state import ASKER, STATE, State
from gateway.edge.submission import submission
from shared import metrics
from shared.errors import InvalidRequest, NotFound
from shared.generation import Generation, Request, Submission

_Object = dict[str, Any]


class RunTool(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool of the client's."""

    name: Annotated[str, Meta(min_length=1)]
    description: str = ""
    parameters: _Object | None = None


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that the application tells the model."""

    description: str
    value: str


class ForwardedProps(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """`forwardedProps`: which model is to answer, and how. What else is in it is the application's own."""

    model: str | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    tool_choice: str | _Object | None = None


class RunInput(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """`POST /api/ag-ui`: the protocol's `RunAgentInput`, whose unknown fields are not looked at."""

    thread_id: str
    run_id: str
    messages: list[_Object]
    protocol_version: str | None = None
    parent_run_id: str | None = None
    state: Any = None
    tools: list[RunTool] = []
    context: list[Context] = []
    forwarded_props: ForwardedProps = ForwardedProps()
    resume: list[_Object] = []


async def run(request: web.Request) -> web.StreamResponse:
    """Run the agent on a thread and stream its events; what still answers an earlier run is stopped."""
    body = await read_body(request, RunInput)
    return await streams.stream_new(request, _submission(request, body), AG_UI, _headers)


async def resume(request: web.Request) -> web.StreamResponse:
    """Stream the run under way from its start, or after `Last-Event-ID`; 204 when there is none."""
    state = request.app[STATE]
    room_for_stream(state)
    generation = await _named_run(state, request)
    if generation is None:
        under_way = await _running(state, request)
        generation = under_way[-1] if under_way else None
    if generation is None:
        metrics.resumes.labels("finished").inc()
        return web.Response(status=204)
    return await streams.resume(request, generation.id, lambda _: AG_UI, _headers)


async def halt(request: web.Request) -> web.StreamResponse:
    """Stop the run under way, and say what became of it; 204 when there is none."""
    state = request.app[STATE]
    if await state.conversations.load(request[ASKER].owner, request.match_info["thread_id"]) is None:
        raise NotFound("There is no thread of that id.", field="thread_id")
    receipts: list[Receipt] = []
    # Those that wait go first, or the end of the active one would start them.
    for generation in reversed(await _running(state, request)):
        receipts.append(await stop(state, generation))
    if not receipts:
        return web.Response(status=204)
    return answer_json(receipts[0], status=202 if receipts[0].status == "cancelling" else 200)


async def _named_run(state: State, request: web.Request) -> Generation | None:
    """The run that `?run_id=` names, ended or not: its stream's own id, as `X-Generation-Id` says it."""
    named = request.query.get("run_id")
    if named is None:
        return None
    generation = await state.generations.load(named)
    if generation is None or generation.owner != request[ASKER].owner:
        raise NotFound("There is no run of that id.", field="run_id")
    if generation.dialect != AG_UI.name or generation.conversation != request.match_info["thread_id"]:
        raise NotFound("There is no run of that id.", field="run_id")
    return generation


async def _running(state: State, request: web.Request) -> list[Generation]:
    """What answers this thread or waits to, oldest first."""
    ids = await state.conversations.answering(request[ASKER].owner, request.match_info["thread_id"])
    loaded = [await state.generations.load(generation_id) for generation_id in ids]
    running = [generation for generation in loaded if generation is not None and not generation.ended]
    return [generation for generation in running if generation.dialect == AG_UI.name]


def _headers(generation: Generation) -> dict[str, str]:
    location = f"/api/ag-ui/{generation.conversation}/stream?run_id={generation.id}"
    return {**streams.stream_headers(generation), "Location": location}


def _submission(request: web.Request, body: RunInput) -> Submission:
    state, props = request.app[STATE], body.forwarded_props
    if body.resume:
        raise InvalidRequest("No run of this server is interrupted, so none is resumed.", field="resume")
    checked_id(body.run_id, "runId")
    said = [checked(each, ThreadMessage, f"messages[{i}]") for i, each in enumerate(body.messages)]
    messages = chat_messages(said, state.settings.max_message_chars)
    if not any(message["role"] == "user" for message in messages):
        raise InvalidRequest("`messages` has no message of a user.", field="messages")
    if body.context:
        told = "\n".join(f"{each.description}: {each.value}" for each in body.context)
        messages.insert(0, {"role": "system", "content": told})
    passed_on = {
        "tools": [_function(tool) for tool in body.tools] or None,
        "tool_choice": props.tool_choice if body.tools else None,
        "temperature": props.temperature,
    }
    return submission(
        request,
        body,
        AG_UI,
        model=known_model(state, props.model),
        asked=Request(
            messages=messages,
            max_tokens=props.max_tokens,
            parameters={name: value for name, value in passed_on.items() if value is not None},
        ),
        options=Options(
            run_id=body.run_id,
            parent_run_id=body.parent_run_id,
            messages=body.messages,
            state=body.state,
        ),
        conversation_id=checked_id(body.thread_id, "threadId"),
        message=last_said(messages),
        on_busy="interrupt",
        # A run's id is its thread's: clients count their runs from 1 in each.
        key=f"ag-ui:{body.thread_id}:{body.run_id}",
    )


def _function(tool: RunTool) -> _Object:
    return {"type": "function", "function": msgspec.to_builtins(tool)}
