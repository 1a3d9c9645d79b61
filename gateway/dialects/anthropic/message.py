"""The message object of Anthropic's Messages: what both its stream and a whole answer are made of."""

from typing import Any, Literal

import msgspec

from shared.events import Usage
from shared.failures import UpstreamInvalid
from shared.generation import Generation
from shared.messages import MadeCall
from shared.parts import words

_Object = dict[str, Any]

#: Before what a generation's own id has after `gen_`.
ID_PREFIX = "msg_"

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an answer depends on beside the log; kept in the generation's `dialect_options`."""

    #: Our own rough count of the prompt, until the model server says better.
    input_tokens: int = 0
    #: Whether the request asks for reasoning to be told.
    thinking: bool = False
    stop_sequences: list[str] = []


class MessageObject(msgspec.Struct, frozen=True, kw_only=True):
    """A whole message."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[_Object]
    stop_reason: str | None
    stop_sequence: str | None
    usage: _Object


def begun(generation: Generation, options: Options) -> MessageObject:
    """The message with nothing in it."""
    return MessageObject(
        id=ID_PREFIX + generation.id.removeprefix("gen_"),
        model=generation.model,
        content=[],
        stop_reason=None,
        stop_sequence=None,
        usage=usage_of(Usage(prompt_tokens=options.input_tokens, estimated=True)),
    )


def whole(generation: Generation) -> MessageObject:
    """The message of an ended generation. Raises why it failed, if it did."""
    if generation.error is not None:
        raise generation.error
    options = generation.options(Options)
    text, calls, said = generation.text or "", generation.calls, 0
    content: list[_Object] = []
    if generation.reasoning and options.thinking:
        content.append(
            {"type": "thinking", "thinking": generation.reasoning, "signature": signature(generation)}
        )
    for i, call in enumerate(calls):
        if text[said : call.at]:
            content.append({"type": "text", "text": text[said : call.at]})
        said = call.at
        content.append(_tool_use(generation, i, call))
    text += "".join(map(words, generation.pictures))
    if text[said:]:
        content.append({"type": "text", "text": text[said:]})
    ending = stopped(generation.finish_reason, generation.upstream_reason, options)
    return MessageObject(
        id=ID_PREFIX + generation.id.removeprefix("gen_"),
        model=generation.model,
        content=content,
        stop_reason=ending["stop_reason"],
        stop_sequence=ending["stop_sequence"],
        usage=usage_of(generation.spent or Usage()),
    )


def stopped(reason: str | None, upstream_reason: str | None, options: Options) -> _Object:
    """
    Why the answer ended, as Anthropic says it. An answer that was cancelled ends like any other, and so does
    one of which nobody knows why: there is no other word for it, so ours stands beside.
    """
    if upstream_reason == "stop_sequence":
        one = options.stop_sequences[0] if len(options.stop_sequences) == 1 else None
        return {"stop_reason": "stop_sequence", "stop_sequence": one}
    known = _STOP_REASONS.get(reason or "")
    beside = {} if known else {"finish_reason": reason}
    return {"stop_reason": known or "end_turn", "stop_sequence": None, **beside}


def usage_of(counted: Usage) -> _Object:
    """Token counts; what was read from a cache is not among `input_tokens`. `estimated` where we counted."""
    cached = min(counted.cached_tokens or 0, counted.prompt_tokens)
    counts: _Object = {
        "input_tokens": counted.prompt_tokens - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": counted.completion_tokens,
    }
    if counted.reasoning_tokens is not None:
        counts["output_tokens_details"] = {"thinking_tokens": counted.reasoning_tokens}
    if counted.estimated:
        counts["estimated"] = True
    return counts


def signature(generation: Generation) -> str:
    """What clients keep with thinking; nobody reads it here."""
    return generation.id


def call_id(generation: Generation, number: int) -> str:
    """The id of a call that its model server gave none."""
    return f"toolu_{generation.id.removeprefix('gen_')}_{number}"


def _tool_use(generation: Generation, number: int, call: MadeCall) -> _Object:
    try:
        given = msgspec.json.decode(call.arguments or "{}", type=_Object)
    except (msgspec.DecodeError, RecursionError):
        raise UpstreamInvalid(f"The model called {call.name[:100]!r} with what is no JSON object.") from None
    called = call.id or call_id(generation, number)
    return {"type": "tool_use", "id": called, "name": call.name, "input": given}
