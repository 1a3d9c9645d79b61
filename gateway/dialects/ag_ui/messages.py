"""
AG-UI's messages as the chat messages that model servers read.

Reasoning and activities are for people, not for models. A call without a result is left out: model servers
refuse one, and none will come.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from gateway.edge.body import checked, clean_text
from shared.errors import InvalidRequest

_Object = dict[str, Any]

_AUDIO_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


class ThreadMessage(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One message of a thread; fields of the application's own are not looked at."""

    id: str
    role: Literal["developer", "system", "user", "assistant", "tool", "activity", "reasoning"]
    content: Any = None
    tool_calls: list[_Object] = []
    tool_call_id: str | None = None
    error: str | None = None


class _Function(msgspec.Struct, frozen=True):
    name: str
    arguments: str = ""


class _Call(msgspec.Struct, frozen=True):
    id: str
    function: _Function


class _Source(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    value: str
    mime_type: str | None = None


def chat_messages(messages: Sequence[ThreadMessage], max_chars: int) -> list[_Object]:
    """A thread as OpenAI writes it. Raises `InvalidRequest` naming what no model server could be given."""
    answered = {message.tool_call_id for message in messages if message.role == "tool"}
    said: list[_Object] = []
    shown: list[_Object] = []
    for i, message in enumerate(messages):
        field = f"messages[{i}]"
        if shown and message.role not in {"tool", "activity", "reasoning"}:
            # Nothing may stand between a call and its results.
            said.append({"role": "user", "content": shown})
            shown = []
        match message.role:
            case "developer" | "system":
                said.append({"role": "system", "content": _only_text(message.content, f"{field}.content")})
            case "user":
                said.append(_user(message, f"{field}.content", max_chars))
            case "assistant":
                said += _assistant(message, answered, field)
            case "tool":
                said.append(_result(message, shown, field))
    return [*said, {"role": "user", "content": shown}] if shown else said


def last_said(messages: Sequence[_Object]) -> str:
    """The text of the user's last message, of those that `chat_messages` gave."""
    for message in reversed(messages):
        if message["role"] == "user":
            content = message["content"]
            if isinstance(content, str):
                return content
            return "\n".join(part["text"] for part in content if part["type"] == "text")
    return ""


def _user(message: ThreadMessage, at: str, max_chars: int) -> _Object:
    if isinstance(message.content, str):
        return {"role": "user", "content": clean_text(message.content, at, max_chars)}
    parts = _parts(message.content, at)
    for part in parts:
        if part["type"] == "text":
            part["text"] = clean_text(part["text"], at, max_chars)
    if not parts:
        raise InvalidRequest(f"`{at}` is empty.", field=at)
    only_text = len(parts) == 1 and parts[0]["type"] == "text"
    return {"role": "user", "content": parts[0]["text"] if only_text else parts}


def _assistant(message: ThreadMessage, answered: set[str | None], field: str) -> Iterator[_Object]:
    text = _only_text(message.content, f"{field}.content") if message.content is not None else ""
    calls = []
    for i, given in enumerate(message.tool_calls):
        call = checked(given, _Call, f"{field}.toolCalls[{i}]")
        if call.id in answered:
            function = {"name": call.function.name, "arguments": call.function.arguments}
            calls.append({"id": call.id, "type": "function", "function": function})
    if calls:
        yield {"role": "assistant", "content": text or None, "tool_calls": calls}
    elif text:
        yield {"role": "assistant", "content": text}


def _result(message: ThreadMessage, shown: list[_Object], field: str) -> _Object:
    if message.tool_call_id is None:
        raise InvalidRequest(f"`{field}` names no call.", field=f"{field}.toolCallId")
    text = message.content
    if not isinstance(text, str):
        parts = _parts(text, f"{field}.content")
        if others := [part for part in parts if part["type"] != "text"]:
            shown += [{"type": "text", "text": f"The tool call {message.tool_call_id} showed:"}, *others]
        text = "\n".join(part["text"] for part in parts if part["type"] == "text")
        if not text and others:
            text = "See what follows."
    if message.error:
        # Chat has no field for it, and a failure must not look like a result.
        text = f"Error: {message.error}\n{text}".strip()
    return {"role": "tool", "tool_call_id": message.tool_call_id, "content": text}


def _parts(content: Any, at: str) -> list[_Object]:
    if not isinstance(content, list):
        raise InvalidRequest(f"`{at}` must be text or a list of parts.", field=at)
    return [_part(part, f"{at}[{i}]") for i, part in enumerate(content)]


def _part(part: Any, at: str) -> _Object:
    match part:
        case {"type": "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "image" | "audio" | "document" as kind, "source": dict(given)}:
            return _media(kind, checked(given, _Source, f"{at}.source"), at)
        case {"type": str(kind)}:
            raise InvalidRequest(f"Content of type {kind[:100]!r} is not supported so.", field=f"{at}.type")
    raise InvalidRequest(f"`{at}` is no part.", field=at)


def _media(kind: str, source: _Source, at: str) -> _Object:
    mime, inline = source.mime_type or "", source.type == "data"
    if kind == "image" and source.type in {"data", "url"}:
        url = f"data:{mime};base64,{source.value}" if inline else source.value
        return {"type": "image_url", "image_url": {"url": url}}
    if kind == "audio" and inline and mime in _AUDIO_FORMATS:
        heard = {"data": source.value, "format": _AUDIO_FORMATS[mime]}
        return {"type": "input_audio", "input_audio": heard}
    if kind == "document" and inline and mime == "application/pdf":
        data = f"data:{mime};base64,{source.value}"
        return {"type": "file", "file": {"filename": "document.pdf", "file_data": data}}
    raise InvalidRequest(
        "This cannot be passed on: send images as data or by url, or WAV, MP3 and PDF as data.", field=at
    )


def _only_text(content: Any, at: str) -> str:
    if not isinstance(content, str):
        raise InvalidRequest(f"`{at}` can be text only.", field=at)
    return content
