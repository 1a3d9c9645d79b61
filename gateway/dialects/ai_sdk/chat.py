"""
Chats of the AI SDK: what `DefaultChatTransport` calls, under `/api/ui/chat`.

A chat is a conversation. Its client keeps the messages and sends them all, so they are the prompt as
they are; ours is the list of turns, and which generation answers. A page that goes away has not
stopped anything: only the stop call does.
"""

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.dialects.ai_sdk.frames import HEADERS, UI_MESSAGE, Options
from gateway.dialects.ai_sdk.messages import UIMessage, chat_messages, last_said
from gateway.edge import streams
from gateway.edge.access import known_model, room_for_stream
from gateway.edge.answers import answer_json
from gateway.edge.body import checked_id, read_body
from gateway.edge.cancellation import Receipt, stop
from gateway.edge.extras import extras_for, read_with_extras
from gateway.edge.state import ASKER, STATE, State
from gateway.edge.submission import submission
from shared import metrics
from shared.errors import InvalidRequest, NotFound, UnknownModel
from shared.generation import Generation, Request, Submission
from shared.position import Position

Tokens = Annotated[int, Meta(ge=1, le=1_000_000)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]


class UITool(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool of the page's, under its name; options for one provider's own client are not looked at."""

    description: str | None = None
    parameters: dict[str, Any] | None = None


class CallSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True
):
    """`callSettings`: how the model is to answer. What is the client's own affair is not looked at."""

    max_tokens: Tokens | None = None
    max_output_tokens: Tokens | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    stop_sequences: list[str] | None = None
    seed: int | None = None
    top_k: int | None = None
    headers: Any = None
    max_retries: Any = None
    timeout: Any = None


class UIConfig(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """`config`: which model is to answer. Addresses and keys of model servers are the operator's to say."""

    model_name: str | None = None
    reasoning_effort: str | None = None


class UIChatRequest(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True
):
    """
    `POST /api/ui/chat`: what the transport sends, and what its `body` option may add.

    assistant-ui's transport adds `system`, `tools` by their names, `callSettings`, `config` and `metadata`.
    """

    id: str
    messages: Annotated[list[UIMessage], Meta(min_length=1)]
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    message_id: str | None = None
    model: str | None = None
    max_tokens: Tokens | None = msgspec.field(default=None, name="max_tokens")
    #: As OpenAI writes them, or by their names.
    tools: list[dict[str, Any]] | dict[str, UITool] = []
    tool_choice: str | dict[str, Any] | None = msgspec.field(default=None, name="tool_choice")
    system: str | None = None
    call_settings: CallSettings = CallSettings()
    config: UIConfig = UIConfig()
    #: Parameters beyond OpenAI's, where the model takes them; they may also stand beside the others.
    extra_body: dict[str, Any] | None = msgspec.field(default=None, name="extra_body")
    #: The client's own.
    metadata: Any = None


class UIStopRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """`POST /api/ui/chat/{chat_id}/stop`; the body may be left out."""

    #: A generation's id: another one is left alone. It comes with every stream as `X-Generation-Id`.
    active_stream_id: str | None = None
    #: What the page shows. The text so far is kept here in any case.
    assistant_message: Any = None


async def send(request: web.Request) -> web.StreamResponse:
    """Accept a chat's messages and stream the answer; what still answers an earlier one is stopped."""
    body = await read_with_extras(request, UIChatRequest)
    return await streams.stream_new(request, await _submission(request, body), UI_MESSAGE, _headers)


async def resume(request: web.Request) -> web.StreamResponse:
    """
    Stream the answer under way from its start; 204 when there is none.

    `?message_id=` names the reply that was cut: it is replayed although it has ended meanwhile.
    """
    state = request.app[STATE]
    after = streams.resume_position(request, UI_MESSAGE)
    room_for_stream(state)
    under_way = await _answering(state, request)
    generation = under_way[-1] if under_way else await _cut_reply(state, request, after)
    if generation is None:
        metrics.resumes.labels("finished").inc()
        return web.Response(status=204)
    metrics.resumes.labels("ok").inc()
    return await streams.stream_known(request, generation, UI_MESSAGE, after, _headers(generation))


async def halt(request: web.Request) -> web.StreamResponse:
    """Stop the answer under way, and say what became of it; 204 when there is none."""
    state = request.app[STATE]
    wanted = UIStopRequest()
    if request.can_read_body:
        wanted = await read_body(request, UIStopRequest)
    chat_id = request.match_info["chat_id"]
    if await state.conversations.load(request[ASKER].owner, chat_id) is None:
        raise NotFound("There is no chat of that id.", field="chat_id")
    receipts: list[Receipt] = []
    # Those that wait go first, or the end of the active one would start them.
    for generation in reversed(await _answering(state, request)):
        if wanted.active_stream_id in {None, generation.id}:
            receipts.append(await stop(state, generation))
    if not receipts:
        return web.Response(status=204)
    return answer_json(receipts[0], status=202 if receipts[0].status == "cancelling" else 200)


async def _answering(state: State, request: web.Request) -> list[Generation]:
    """What answers this chat or waits to, oldest first."""
    ids = await state.conversations.answering(request[ASKER].owner, request.match_info["chat_id"])
    loaded = [await state.generations.load(generation_id) for generation_id in ids]
    return [generation for generation in loaded if generation is not None and not generation.ended]


async def _cut_reply(state: State, request: web.Request, after: Position) -> Generation | None:
    """The ended generation that `?message_id=` names, while its log is kept and has more to say."""
    generation = await state.generations.load(request.query.get("message_id", ""))
    if generation is None or generation.owner != request[ASKER].owner:
        return None
    if generation.conversation != request.match_info["chat_id"]:
        return None
    top = await state.log.top(generation.id)
    return generation if top is not None and top > after else None


def _headers(generation: Generation) -> dict[str, str]:
    location = f"/api/ui/chat/{generation.conversation}/stream"
    return {**streams.stream_headers(generation), **HEADERS, "Location": location}


async def _replaced(state: State, owner: str, body: UIChatRequest, said: str) -> str | None:
    """
    The generation whose turn a regenerated reply takes: the one that gave the message of that id, else
    the last, where it answered the same words. A page's own ids are not known here.
    """
    last: str | None = None
    async for page in state.conversations.pages(owner, body.id):
        for message in reversed(page):
            if message.role != "user" or message.generation_id is None:
                continue
            if message.generation_id == body.message_id:
                return message.generation_id
            if last is None:
                last = message.generation_id if message.content == said else ""
    return last or None


async def _submission(request: web.Request, body: UIChatRequest) -> Submission:
    state = request.app[STATE]
    known = list(body.messages)
    if body.trigger == "regenerate-message" and known[-1].role == "assistant":
        # The SDK leaves the reply out that is to be replaced; others send it along.
        known.pop()
    messages = chat_messages(known, state.settings.max_message_chars)
    said = last_said(messages)
    if not known or not any(message["role"] == "user" for message in messages):
        raise InvalidRequest("`messages` has no message of a user.", field="messages")
    chat_id = checked_id(body.id, "id")
    replaces = None
    if body.trigger == "regenerate-message":
        replaces = await _replaced(state, request[ASKER].owner, body, said)
    if body.system and body.system.strip():
        messages.insert(0, {"role": "system", "content": body.system})
    settings, model = body.call_settings, _model(state, body)
    extras = dict(body.extra_body or {})
    if settings.top_k is not None:
        extras["top_k"] = settings.top_k
    goes_on = known[-1].id if known[-1].role == "assistant" else None
    return submission(
        request,
        body,
        UI_MESSAGE,
        model=model,
        asked=Request(
            messages=messages,
            max_tokens=body.max_tokens or settings.max_output_tokens or settings.max_tokens,
            parameters={**_parameters(body), **extras_for(state, model, extras)},
        ),
        options=Options(message_id=goes_on),
        conversation_id=chat_id,
        message=said,
        replaces=replaces,
        on_busy="interrupt",
    )


def _model(state: State, body: UIChatRequest) -> str:
    if body.model is None and body.config.model_name is not None:
        try:
            return known_model(state, body.config.model_name)
        except UnknownModel as error:
            raise UnknownModel(error.message, field="config.modelName") from error
    return known_model(state, body.model)


def _parameters(body: UIChatRequest) -> dict[str, Any]:
    """What is said to the model, as chat writes it."""
    tools, settings = body.tools, body.call_settings
    if isinstance(tools, dict):
        tools = [
            {"type": "function", "function": {"name": name, **msgspec.to_builtins(tool)}}
            for name, tool in tools.items()
        ]
    passed_on: dict[str, Any] = {
        "tools": tools or None,
        "tool_choice": body.tool_choice or None,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "presence_penalty": settings.presence_penalty,
        "frequency_penalty": settings.frequency_penalty,
        "stop": settings.stop_sequences or None,
        "seed": settings.seed,
        "reasoning_effort": body.config.reasoning_effort,
    }
    return {name: value for name, value in passed_on.items() if value is not None}
