"""
OpenAI's Chat Completions: `POST /v1/chat/completions`, streamed and not, and its stream taken up again.

What the request says to the model is passed on as it is. What cannot be honoured is refused by name:
every field that is not here, and more than one choice.
"""

import time
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.dialects.openai.chat_frames import CHAT, ID_PREFIX, Options, finish, head, picture, usage
from gateway.dialects.openai.models import checked_model
from gateway.edge import streams
from gateway.edge.answers import answer_json
from gateway.edge.extras import extras_for, read_with_extras
from gateway.edge.state import STATE
from gateway.edge.submission import submission
from shared.errors import InvalidRequest
from shared.events import Picture, Usage
from shared.generation import Generation, OnDisconnect, Request, Submission

_Object = dict[str, Any]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_Tokens = Annotated[int, Meta(ge=1, le=1_000_000)]


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`stream_options`; padding against eavesdroppers is not to be had here."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class CompletionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /v1/chat/completions`"""

    messages: Annotated[list[_Object], Meta(min_length=1)]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    #: Of its values 1 alone can be had.
    n: int | None = None
    logprobs: bool | None = None
    store: bool | None = None
    max_tokens: _Tokens | None = None
    max_completion_tokens: _Tokens | None = None
    #: Not OpenAI's: whether the answer is made to its end when nobody reads it any more.
    on_disconnect: OnDisconnect = "cancel"

    # Passed on as they are.
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    logit_bias: dict[str, float] | None = None
    response_format: _Object | None = None
    tools: list[_Object] | None = None
    tool_choice: str | _Object | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    modalities: list[Literal["text"]] | None = None
    verbosity: str | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    prediction: _Object | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None

    #: Parameters beyond OpenAI's, where the model takes them; they may also stand beside the others.
    extra_body: _Object | None = None


#: Ours to act on; everything else is the model server's.
_OURS = frozenset(
    {"messages", "model", "stream", "stream_options", "n", "logprobs", "store", "max_tokens", "on_disconnect"}
    | {"extra_body"}
)


class _Part(msgspec.Struct):
    type: str
    text: str | None = None


class _Message(msgspec.Struct):
    """What we rely on in a message; the rest of it is the model server's."""

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None
    tool_calls: list[_Object] | None = None


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[_Object]
    usage: _Object


async def create(request: web.Request) -> web.StreamResponse:
    """Answer a chat; with `stream`, as it is written."""
    body = await read_with_extras(request, CompletionRequest)
    wanted = _submission(request, body)
    if body.stream:
        return await streams.stream_new(request, wanted, CHAT, _headers)
    generation, new = await streams.await_new(request, wanted)
    replayed = {} if new else {"Idempotent-Replayed": "true"}
    drawn = [Picture(ts=0, part=part) for part in generation.pictures if part.lost is None]
    filled = [await request.app[STATE].relay.filled(generation, each) for each in drawn]
    images = [picture(each.address) for each in filled]
    return answer_json(_completion(generation, images), headers={**_headers(generation), **replayed})


async def resume(request: web.Request) -> web.StreamResponse:
    """Not OpenAI's: resume a stream after `Last-Event-ID` or `?after=`; a chunk's id will do."""
    generation_id = request.match_info["generation_id"]
    if generation_id.startswith(ID_PREFIX):
        generation_id = "gen_" + generation_id.removeprefix(ID_PREFIX)
    return await streams.resume(request, generation_id, lambda _: CHAT, _headers)


def check_messages(messages: list[_Object], field: str) -> None:
    """Raises `InvalidRequest` naming what is no chat message as OpenAI writes them."""
    for i, message in enumerate(messages):
        try:
            msgspec.convert(message, _Message)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"`{field}[{i}]`: {error}", field=f"{field}[{i}]") from error


def _headers(generation: Generation) -> dict[str, str]:
    location = f"/v1/chat/completions/{generation.id}/stream"
    return {"X-Generation-Id": generation.id, "Location": location}


def _submission(request: web.Request, body: CompletionRequest) -> Submission:
    check_messages(body.messages, "messages")
    options = body.stream_options or StreamOptions()
    if body.stream_options is not None and not body.stream:
        raise InvalidRequest("`stream_options` needs `stream`.", field="stream_options")
    if body.n not in (None, 1):
        raise InvalidRequest("`n` must be 1: a request is answered with one choice.", field="n")
    for name, wanted in {
        "logprobs": body.logprobs,
        "store": body.store,
        "stream_options.include_obfuscation": options.include_obfuscation,
    }.items():
        if wanted:
            raise InvalidRequest(f"`{name}` is not supported by this server.", field=name)
    said: _Object = msgspec.to_builtins(body)
    if body.tools is not None:
        said["tools"] = [_tool(tool, f"tools[{i}]") for i, tool in enumerate(body.tools)]
    model = checked_model(request.app[STATE], body.model)
    extras = extras_for(request.app[STATE], model, body.extra_body)
    return submission(
        request,
        body,
        CHAT,
        model=model,
        asked=Request(
            messages=[_message(message) for message in body.messages],
            max_tokens=body.max_completion_tokens or body.max_tokens,
            parameters={**{field: value for field, value in said.items() if field not in _OURS}, **extras},
        ),
        options=Options(created=int(time.time()), include_usage=bool(options.include_usage)),
        on_disconnect=body.on_disconnect,
    )


def _message(message: _Object) -> _Object:
    """A message without its nulls, which some model servers refuse; `content` may be one beside calls."""
    return {name: value for name, value in message.items() if value is not None or name == "content"}


def _tool(tool: _Object, field: str) -> _Object:
    """A tool without its nulls; those within its schema are the schema's."""
    if tool.get("type") == "custom":
        # Its calls are no function's: nobody here could tell what they say.
        raise InvalidRequest("Tools of type 'custom' are not supported by this server.", field=field)
    if isinstance(function := tool.get("function"), dict):
        tool = {**tool, "function": {name: value for name, value in function.items() if value is not None}}
    return {name: value for name, value in tool.items() if value is not None}


def _completion(generation: Generation, images: list[_Object]) -> Completion:
    if generation.error is not None:
        raise generation.error
    calls = generation.calls
    message: _Object = {"role": "assistant", "content": generation.text or None}
    message |= {"refusal": None, "annotations": []}
    if generation.reasoning:
        message["reasoning_content"] = generation.reasoning
    if images:
        message["images"] = images
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    else:
        message["content"] = generation.text or ""
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        **finish(generation.finish_reason, generation.upstream_reason),
    }
    return Completion(
        **head(generation, "chat.completion"), choices=[choice], usage=usage(generation.spent or Usage())
    )
