"""
One chunk of an OpenAI chat completion: only what we need of it, each field by itself.

The ordinary chunk is decoded in one step, past everything that nobody reads. One that resists is taken apart
with care: a field that is not what it should be costs that field alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from shared.failures import UpstreamInvalid
from worker.backends.errors import not_an_answer
from worker.backends.shortener import SHORTENED, Shortened
from worker.backends.tolerant import NotJson, count, is_utf8, load, whole_characters


class Function(msgspec.Struct, gc=False):
    """`function` of a call, and the older `function_call`."""

    name: str | None = None
    arguments: str | None = None


class CallPiece(msgspec.Struct, gc=False):
    """One of `tool_calls`."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None
    #: Where these stand beside `function`, or without one.
    name: str | None = None
    arguments: str | None = None


class Message(msgspec.Struct, gc=False):
    """`delta`, or `message` where the server does not stream."""

    content: str | None = None
    #: DeepSeek's, llama.cpp's and older vLLM's name for it; `reasoning` is OpenRouter's and newer vLLM's.
    reasoning_content: str | None = None
    reasoning: str | None = None
    #: OpenRouter's and MiniMax's, in parts; many repeat in it what one of the fields above says.
    reasoning_details: Any = None
    refusal: str | None = None
    #: OpenRouter's, and others', of models that draw.
    images: Any = None
    tool_calls: list[CallPiece] | None = None
    function_call: Function | None = None


class Choice(msgspec.Struct, gc=False):
    """One of `choices`; of `usage` Moonshot's place for it, of `error` OpenRouter's."""

    index: int | None = None
    delta: Message | None = None
    message: Message | None = None
    finish_reason: str | None = None
    usage: Any = None
    error: Any = None


class Chunk(msgspec.Struct, gc=False):
    """A chunk, or a whole answer. Without `choices` it may be anything."""

    choices: list[Choice] | None = None
    usage: Any = None
    error: Any = None


#: Where a part has its reasoning.
_THOUGHTS = ("thinking", "reasoning", "text", "content", "summary")

decode = msgspec.json.Decoder(Chunk).decode
#: What `decode` raises for a chunk that is to be read with care.
RESISTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_with_care(payload: bytes) -> Chunk:
    """
    A chunk of which one field or another is not what it should be. Its texts may end in half a character.

    Raises `UpstreamInvalid` for what is no JSON, and for text that did not arrive whole.
    """
    try:
        said = load(payload)
        if isinstance(payload, Shortened) and payload.pictures:
            said = _with_pictures(said, payload.pictures)
    except (NotJson, RecursionError) as error:
        raise UpstreamInvalid(not_an_answer(payload)) from error
    if not isinstance(said, Mapping):
        return Chunk()
    chunk = Chunk(usage=said.get("usage"), error=said.get("error"))
    if (choices := _objects(said.get("choices"))) is not None:
        chunk.choices = [part for choice in choices for part in _choice(choice)]
        _check(chunk.choices, payload)
    return chunk


def _with_pictures(said: Any, pictures: Mapping[str, str]) -> Any:
    match said:
        case str():
            return pictures.get(said, said)
        case list():
            return [_with_pictures(item, pictures) for item in said]
        case dict():
            return {key: _with_pictures(item, pictures) for key, item in said.items()}
    return said


def _choice(said: Mapping[str, Any]) -> Iterator[Choice]:
    """The pieces of a choice in the order in which they are to be read, how it ended last."""
    index = count(said.get("index"))
    delta = [
        message
        for message in _messages(said.get("delta"))
        if any(_texts(message)) or message.tool_calls or message.images
    ]
    for message in delta:
        yield Choice(index, delta=message)
    for message in _messages(said.get("message")) if not delta else ():
        yield Choice(index, message=message)
    yield Choice(index, None, None, _text(said.get("finish_reason")), said.get("usage"), said.get("error"))


def _messages(said: Any) -> Iterator[Message]:
    if not isinstance(said, Mapping):
        return
    reasoning = (
        _joined(said.get("reasoning_content"))
        or _joined(said.get("reasoning"))
        or detailed(said.get("reasoning_details"))
    )
    if reasoning:
        yield Message(reasoning=reasoning)
    yield from _content(said.get("content"))
    yield Message(images=said.get("images"))
    yield Message(
        refusal=_text(said.get("refusal")),
        tool_calls=[_call(call) for call in _objects(said.get("tool_calls")) or ()],
        function_call=_function(said.get("function_call")),
    )


def _content(content: Any) -> Iterator[Message]:
    """Content as a text, or as parts: text, and thinking as Mistral's Magistral and Claude send it."""
    if isinstance(content, str):
        yield Message(content=content)
    for part in content if isinstance(content, list) else [content]:
        match part:
            case str():
                if isinstance(content, list):
                    yield Message(content=part)
            case {"type": "thinking" | "reasoning" | "reasoning_text" | "redacted_thinking"}:
                inner = next((part[key] for key in _THOUGHTS if key in part), "")
                yield Message(reasoning=_joined(inner))
            case {"type": "refusal"}:
                yield Message(refusal=_text(part.get("refusal")))
            case {"type": "image_url" | "image" | "output_image"}:
                yield Message(images=part)
            case {}:
                yield Message(content=_joined(part))


def detailed(details: Any) -> str:
    """The texts of `reasoning_details`, thoughts and summaries; what is encrypted has none."""
    parts = _objects(details) or ()
    return "".join(_joined(next((part[key] for key in _THOUGHTS if key in part), "")) for part in parts)


def _joined(said: Any) -> str:
    """A text, or the texts of its parts."""
    if isinstance(said, str):
        return said
    if isinstance(said, list):
        return "".join(_joined(part) for part in said)
    if isinstance(said, Mapping):
        return next((_joined(said[key]) for key in ("text", "content", "value") if key in said), "")
    return ""


def _call(said: Mapping[str, Any]) -> CallPiece:
    beside = _function(said) or Function()
    return CallPiece(
        count(said.get("index")),
        _name(said.get("id")),
        _function(said.get("function")),
        beside.name,
        beside.arguments,
    )


def _function(said: Any) -> Function | None:
    if not isinstance(said, Mapping):
        return None
    arguments = said.get("arguments")
    if isinstance(arguments, Mapping | list):
        arguments = msgspec.json.encode(_encodable(arguments)).decode()
    return Function(_name(said.get("name")), _text(arguments))


def _encodable(said: Any) -> Any:
    """*said* without anything that JSON has no words for."""
    match said:
        case str():
            return whole_characters(said)
        case list():
            return [_encodable(item) for item in said]
        case dict():
            return {_encodable(key): _encodable(value) for key, value in said.items()}
    return said


def _text(said: Any) -> str | None:
    return said if isinstance(said, str) else None


def _name(said: Any) -> str | None:
    """An id or a name, which come in one piece: half a character in it has no other half."""
    return whole_characters(said) if isinstance(said, str) else None


def _objects(said: Any) -> list[Mapping[str, Any]] | None:
    if isinstance(said, Mapping):
        return [said]
    if isinstance(said, list):
        return [item for item in said if isinstance(item, Mapping)]
    return None


def _check(choices: list[Choice], payload: bytes) -> None:
    """Raises `UpstreamInvalid` where a text of the answer's own is not what the upstream meant it to be."""
    texts = [
        text for choice in choices if (message := choice.delta or choice.message) for text in _texts(message)
    ]
    if isinstance(payload, Shortened) and any(SHORTENED in text for text in texts):
        raise UpstreamInvalid("The model server sent a piece of text that is too large.")
    if any("\ufffd" in text for text in texts) and not is_utf8(payload):
        raise UpstreamInvalid("The model server sent text that is not UTF-8.")


def _texts(message: Message) -> Iterator[str]:
    calls = message.tool_calls or ()
    functions = [call.function for call in calls] + [Function(call.name, call.arguments) for call in calls]
    functions.append(message.function_call)
    named = [text for function in functions if function for text in (function.name, function.arguments)]
    for text in (message.content, message.reasoning, message.refusal, *named):
        if text:
            yield text
