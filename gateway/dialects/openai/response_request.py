"""A request for a response: what it may say, and the generation that it asks for."""

import time
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.dialects.openai import response_items
from gateway.dialects.openai.extras import extras_for
from gateway.dialects.openai.models import checked_model
from gateway.dialects.openai.response_frames import RESPONSES
from gateway.dialects.openai.response_items import FunctionTool
from gateway.dialects.openai.response_object import ResponseObject
from gateway.edge.access import owned
from gateway.edge.state import STATE
from gateway.edge.submission import new_suffix, submission
from shared.errors import InvalidRequest, NotFound
from shared.generation import Generation, Request, Submission
from shared.messages import joined

_Object = dict[str, Any]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]


class ReasoningOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`reasoning`; summaries are not to be had here."""

    effort: str | None = None
    summary: None = None


class TextOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`text`: the answer's format."""

    format: _Object | None = None
    verbosity: str | None = None


class ResponseStreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`stream_options`; padding against eavesdroppers is not to be had here."""

    include_obfuscation: bool | None = None


class ResponseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /v1/responses`"""

    input: str | list[_Object] | None = None
    model: str | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    stream: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    background: bool | None = None
    store: bool | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: str | _Object | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    metadata: Annotated[dict[str, str], Meta(max_length=16)] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    truncation: Literal["disabled"] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=0)] | None = None
    include: Annotated[list[str], Meta(max_length=0)] | None = None
    #: Parameters beyond OpenAI's, where the model takes them.
    extra_body: _Object | None = None


#: Passed on as they are.
_PASSED_ON = (
    *("temperature", "top_p", "presence_penalty", "frequency_penalty", "parallel_tool_calls"),
    *("user", "safety_identifier", "prompt_cache_key", "service_tier"),
)
#: Repeated in the response.
_REPEATED = (
    *_PASSED_ON,
    *("instructions", "previous_response_id", "background", "store", "max_output_tokens", "metadata"),
)


async def submission_of(request: web.Request, body: ResponseRequest) -> Submission:
    """The generation that *body* asks for, after the turns of the previous response."""
    state = request.app[STATE]
    _refuse(body)
    model = checked_model(state, body.model)
    tools, choice = response_items.chat_tools(body.tools or (), body.tool_choice)
    history: list[_Object] = []
    if body.previous_response_id is not None:
        history = await _turns(request, body.previous_response_id)
    own = response_items.chat_messages(body.input if body.input is not None else [])
    if not history and not own:
        raise InvalidRequest("`input` is missing.", field="input")
    head = [{"role": "system", "content": body.instructions}] if body.instructions is not None else []
    # A previous response that was stopped before its first word has left its question unanswered.
    messages = [*head, *history[:-1], *joined([*history[-1:], *own[:1]]), *own[1:]]
    if len(msgspec.json.encode(messages)) > state.settings.max_body_bytes:
        raise InvalidRequest("The conversation has grown too long.", field="previous_response_id")
    passed_on = {name: getattr(body, name) for name in _PASSED_ON}
    passed_on |= extras_for(state, model, body.extra_body)
    passed_on |= {"tools": tools or None, "tool_choice": choice, **_formats(body)}
    suffix = new_suffix()
    return submission(
        request,
        body,
        RESPONSES,
        model=model,
        asked=Request(
            messages=messages,
            max_tokens=body.max_output_tokens,
            parameters={name: value for name, value in passed_on.items() if value is not None},
            input=response_items.items_of(body.input or [], suffix),
        ),
        suffix=suffix,
        options=ResponseObject(
            id=f"resp_{suffix}", created_at=int(time.time()), model=model, **_repeated(body)
        ),
        on_disconnect="continue" if body.background else "cancel",
    )


async def stored(request: web.Request, response_id: str, field: str) -> tuple[Generation, ResponseObject]:
    """A response that the asker may come back to. Raises `NotFound`."""
    kind, _, suffix = response_id.partition("_")
    try:
        if kind != "resp":
            raise NotFound
        generation = await owned(request.app[STATE], request, f"gen_{suffix}")
        if generation.dialect != RESPONSES.name:
            raise NotFound
        response = generation.options(ResponseObject)
        if not response.store:
            raise NotFound
    except NotFound:
        raise NotFound(f"There is no response {response_id[:100]!r}.", field=field) from None
    return generation, response


async def _turns(request: web.Request, response_id: str) -> list[_Object]:
    """What was said up to the end of a response. Its instructions are not carried over."""
    generation, response = await stored(request, response_id, "previous_response_id")
    if not generation.ended:
        raise InvalidRequest("The previous response has not ended yet.", field="previous_response_id")
    asked = generation.asked.messages
    calls = [response_items.chat_call(call.id, call.name, call.arguments) for call in generation.calls]
    answer = response_items.assistant_message(generation.text or "", calls)
    return [*(asked if response.instructions is None else asked[1:]), *answer]


def _refuse(body: ResponseRequest) -> None:
    if body.background and body.store is False:
        raise InvalidRequest("A response in the background has to be stored.", field="store")
    if body.stream_options is not None and body.stream_options.include_obfuscation:
        field = "stream_options.include_obfuscation"
        raise InvalidRequest(f"`{field}` is not supported by this server.", field=field)


def _repeated(body: ResponseRequest) -> _Object:
    facts = {name: getattr(body, name) for name in _REPEATED}
    facts["tool_choice"] = body.tool_choice
    if body.tools is not None:
        facts["tools"] = msgspec.to_builtins(body.tools)
    if body.reasoning is not None:
        facts["reasoning"] = {"effort": body.reasoning.effort, "summary": None}
    if body.text is not None:
        verbosity = {} if body.text.verbosity is None else {"verbosity": body.text.verbosity}
        facts["text"] = {"format": body.text.format or {"type": "text"}, **verbosity}
    return {name: value for name, value in facts.items() if value is not None}


def _formats(body: ResponseRequest) -> _Object:
    """The answer's format and the reasoning's effort, as chat writes both."""
    facts: _Object = {}
    if body.reasoning is not None:
        facts["reasoning_effort"] = body.reasoning.effort
    if body.text is not None:
        facts["verbosity"] = body.text.verbosity
        match body.text.format:
            case None | {"type": "text"}:
                pass
            case {"type": "json_object"}:
                facts["response_format"] = {"type": "json_object"}
            case {"type": "json_schema"} as given:
                schema = {name: value for name, value in given.items() if name != "type"}
                facts["response_format"] = {"type": "json_schema", "json_schema": schema}
            case _:
                raise InvalidRequest("`text.format` has no type that is known here.", field="text.format")
    return facts
