"""A request for a response: what it may say, and the generation that it asks for."""

import time
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.dialects.openai import conversations, response_items
from gateway.dialects.openai.models import checked_model
from gateway.dialects.openai.response_frames import RESPONSES
from gateway.dialects.openai.response_object import ResponseObject
from gateway.dialects.openai.response_tools import Tools, chat_tools
from gateway.dialects.openai.stored import resolved, turns
from gateway.edge.body import checked
from gateway.edge.extras import extras_for
from gateway.edge.state import STATE
from gateway.edge.submission import new_suffix, submission
from shared.errors import InvalidRequest
from shared.generation import Request, Submission
from shared.messages import joined

_Object = dict[str, Any]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]


class ReasoningOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """`reasoning`; with a `summary`, of whatever kind, reasoning is told as one."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class TextOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`text`: the answer's format."""

    format: _Object | None = None
    verbosity: str | None = None


class JsonSchemaFormat(msgspec.Struct, frozen=True, kw_only=True):
    """`text.format` of type `json_schema`, with the defaults that a response repeats."""

    type: Literal["json_schema"] = "json_schema"
    name: str
    description: str | None = None
    schema: _Object
    strict: bool = False


class ResponseStreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`stream_options`; padding against eavesdroppers is not to be had here."""

    include_obfuscation: bool | None = None


class ResponseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /v1/responses`"""

    input: str | list[_Object] | None = None
    model: str | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: str | _Object | None = None
    stream: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    background: bool | None = None
    store: bool | None = None
    tools: list[_Object] | None = None
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
    top_logprobs: Annotated[int, Meta(ge=0, le=0)] | None = None
    #: Hints, which change nothing here.
    truncation: Literal["auto", "disabled"] | None = None
    include: list[str] | None = None
    max_tool_calls: Annotated[int, Meta(ge=0)] | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: _Object | None = None
    client_metadata: _Object | None = None
    context_management: list[_Object] | None = None
    #: Parameters beyond OpenAI's, where the model takes them.
    extra_body: _Object | None = None


class _Options(ResponseObject, frozen=True, kw_only=True):
    """What is kept with a response, and what of it is told."""

    include: list[str] = msgspec.field(default_factory=list)


#: Passed on as they are.
_PASSED_ON = (
    *("temperature", "top_p", "presence_penalty", "frequency_penalty", "parallel_tool_calls"),
    *("user", "safety_identifier", "prompt_cache_key", "service_tier"),
)
#: Repeated in the response.
_REPEATED = (
    *_PASSED_ON,
    *("instructions", "previous_response_id", "background", "store", "max_output_tokens", "metadata"),
    *("truncation", "max_tool_calls"),
)


async def submission_of(request: web.Request, body: ResponseRequest) -> Submission:
    """The generation that *body* asks for, after the turns of the previous response."""
    state = request.app[STATE]
    _refuse(body)
    model = checked_model(state, body.model)
    tools = chat_tools(body.tools or (), body.tool_choice)
    given: str | list[_Object] = body.input if body.input is not None else []
    if not isinstance(given, str):
        given = await resolved(request, given)
    own = response_items.chat_messages(given)
    history: list[_Object] = []
    if body.previous_response_id is not None:
        history = await turns(request, body.previous_response_id)
    conversation_id = None
    if body.conversation is not None:
        conversation_id, history = await conversations.history(request, body.conversation, own)
    if not own and (conversation_id is not None or not history):
        raise InvalidRequest("`input` is missing.", field="input")
    head = [{"role": "system", "content": body.instructions}] if body.instructions is not None else []
    # A previous response that was stopped before its first word has left its question unanswered.
    messages = [*head, *history[:-1], *joined([*history[-1:], *own[:1]]), *own[1:]]
    if len(msgspec.json.encode(messages)) > state.settings.max_body_bytes:
        raise InvalidRequest("The conversation has grown too long.", field="previous_response_id")
    passed_on = {name: getattr(body, name) for name in _PASSED_ON}
    passed_on |= extras_for(state, model, body.extra_body)
    passed_on |= {"tools": tools.functions or None, **_formats(body)}
    if tools.functions or not body.tools:
        # Servers refuse a choice among no tools.
        passed_on["tool_choice"] = tools.choice
    suffix = new_suffix(request, conversation_id)
    wanted = submission(
        request,
        body,
        RESPONSES,
        model=model,
        asked=Request(
            messages=messages,
            max_tokens=body.max_output_tokens,
            parameters={name: value for name, value in passed_on.items() if value is not None},
            input=response_items.items_of(given, suffix),
        ),
        suffix=suffix,
        messages_in="input",
        conversation_id=conversation_id,
        message=conversations.last_said(own),
        options=_Options(
            include=body.include or [],
            conversation=None if conversation_id is None else {"id": conversation_id},
            id=f"resp_{suffix}",
            created_at=int(time.time()),
            model=model,
            **_repeated(body, tools),
        ),
        on_disconnect="continue" if body.background else "cancel",
    )
    hook = bool(body.background and state.settings.webhook_url)
    items = wanted.request.input if conversation_id is not None else None
    return msgspec.structs.replace(wanted, hook=hook, items=items)


def _refuse(body: ResponseRequest) -> None:
    if body.conversation is not None and body.previous_response_id is not None:
        raise InvalidRequest("A response goes on from one of both.", field="conversation")
    if body.background and body.store is False:
        raise InvalidRequest("A response in the background has to be stored.", field="store")
    if body.stream_options is not None and body.stream_options.include_obfuscation:
        field = "stream_options.include_obfuscation"
        raise InvalidRequest(f"`{field}` is not supported by this server.", field=field)


def _repeated(body: ResponseRequest, tools: Tools) -> _Object:
    facts = {name: getattr(body, name) for name in _REPEATED}
    facts |= {"tool_choice": body.tool_choice, "tools": tools.repeated}
    if body.reasoning is not None:
        summary = body.reasoning.summary or body.reasoning.generate_summary
        facts["reasoning"] = {"effort": body.reasoning.effort, "summary": summary}
    if body.text is not None:
        verbosity = {} if body.text.verbosity is None else {"verbosity": body.text.verbosity}
        facts["text"] = {"format": _repeated_format(body.text.format), **verbosity}
    return {name: value for name, value in facts.items() if value is not None}


def _repeated_format(given: _Object | None) -> _Object:
    match given:
        case {"type": "json_schema"}:
            said = checked(given, JsonSchemaFormat, "text.format")
            return {name: getattr(said, name) for name in said.__struct_fields__}
        case {"type": "json_object"}:
            return {"type": "json_object"}
    return {"type": "text"}


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
                schema = {
                    name: value for name, value in given.items() if name != "type" and value is not None
                }
                facts["response_format"] = {"type": "json_schema", "json_schema": schema}
            case _:
                raise InvalidRequest("`text.format` has no type that is known here.", field="text.format")
    return facts
