"""
The AI SDK's UI messages as chat messages that a model server reads.

It follows the SDK's own `convertToModelMessages`: each step of an assistant message is a message of
its own, followed by the results of its tools. Reasoning, sources and data parts are for people, not
for models. A tool call without a result is left out: model servers refuse one, and none will come.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from gateway.edge.body import clean_text
from shared.errors import InvalidRequest

_Part = dict[str, Any]

#: Parts that models do not read.
_UNREAD = frozenset({"reasoning", "reasoning-file", "source-url", "source-document", "step-start", "custom"})
_AUDIO_FORMATS = {"audio/wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


class UIMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message as the SDK keeps it; fields of the application's own are not looked at."""

    id: str
    role: Literal["system", "user", "assistant"]
    parts: list[_Part]


def chat_messages(messages: Sequence[UIMessage], max_chars: int) -> list[dict[str, Any]]:
    """
    *messages* as OpenAI writes them. What a user wrote is cleaned like any message of ours.

    Raises `InvalidRequest` naming the part that no model server could be given.
    """
    converted: list[dict[str, Any]] = []
    for i, message in enumerate(messages):
        field = f"messages[{i}]"
        if message.role == "user":
            content = _user(message, field, max_chars)
            if not content and message is messages[-1]:
                raise InvalidRequest(f"`{field}` is empty.", field=field)
            # An earlier one that says nothing to a model must not end the chat for ever.
            if content:
                converted.append({"role": "user", "content": content})
        elif message.role == "system":
            text = "".join(_text(part, field) for part in message.parts if part.get("type") == "text")
            converted.append({"role": "system", "content": text})
        else:
            for step in _steps(message, field):
                converted += _assistant(step, field)
    return converted


def last_said(messages: Sequence[dict[str, Any]]) -> str:
    """The text of the user's last message, of those that `chat_messages` gave."""
    for message in reversed(messages):
        if message["role"] == "user":
            content = message["content"]
            if isinstance(content, str):
                return content
            return "\n".join(part["text"] for part in content if part["type"] == "text")
    return ""


def _user(message: UIMessage, field: str, max_chars: int) -> str | list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    for i, part in enumerate(message.parts):
        at = f"{field}.parts[{i}]"
        match part.get("type"):
            case "text":
                text = _text(part, at)
                if text.strip():
                    content.append({"type": "text", "text": clean_text(text, f"{at}.text", max_chars)})
            case "file":
                content.append(_file(part, at))
            case kind:
                _leave_out(kind, at)
    # Servers without eyes and ears take text alone, and some of them only as a string.
    only_text = len(content) == 1 and content[0]["type"] == "text"
    return str(content[0]["text"]) if only_text else content


def _file(part: _Part, at: str) -> dict[str, Any]:
    url, media_type = part.get("url"), part.get("mediaType")
    if not isinstance(url, str) or not isinstance(media_type, str):
        raise InvalidRequest(f"`{at}` needs `url` and `mediaType`.", field=at)
    if media_type.partition("/")[0] == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    head, _, data = url.partition(",")
    inline = head.startswith("data:") and head.endswith(";base64")
    if inline and media_type in _AUDIO_FORMATS:
        return {"type": "input_audio", "input_audio": {"data": data, "format": _AUDIO_FORMATS[media_type]}}
    if inline and media_type == "application/pdf":
        name = part.get("filename")
        named = name if isinstance(name, str) else "file.pdf"
        return {"type": "file", "file": {"filename": named, "file_data": url}}
    raise InvalidRequest(
        f"`{at}` is a file that cannot be passed on: send images, or WAV, MP3 and PDF as base64 data URLs.",
        field=at,
    )


def _steps(message: UIMessage, field: str) -> list[list[_Part]]:
    steps: list[list[_Part]] = [[]]
    for i, part in enumerate(message.parts):
        kind = part.get("type")
        if kind == "step-start":
            steps.append([])
        elif kind == "text" or _tool_name(part):
            steps[-1].append(part)
        elif kind != "file":  # a model's own picture; it cannot be shown its own
            _leave_out(kind, f"{field}.parts[{i}]")
    return steps


def _assistant(step: Sequence[_Part], field: str) -> list[dict[str, Any]]:
    text = "".join(_text(part, field) for part in step if part["type"] == "text")
    calls: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for part in step:
        if part["type"] == "text" or (result := _result(part)) is None:
            continue
        if not isinstance(call_id := part.get("toolCallId"), str):
            raise InvalidRequest(f"`{field}` has a tool's part without `toolCallId`.", field=field)
        arguments = msgspec.json.encode(part.get("input") or {})
        function = {"name": _tool_name(part), "arguments": arguments.decode()}
        calls.append({"id": call_id, "type": "function", "function": function})
        results.append({"role": "tool", "tool_call_id": call_id, "content": result})
    if calls:
        return [{"role": "assistant", "content": text or None, "tool_calls": calls}, *results]
    return [{"role": "assistant", "content": text}] if text else []


def _tool_name(part: _Part) -> str:
    kind = part.get("type")
    if kind == "dynamic-tool":
        return str(part.get("toolName") or "")
    return kind[len("tool-") :] if isinstance(kind, str) and kind.startswith("tool-") else ""


def _result(part: _Part) -> str | None:
    match part.get("state"):
        case "output-available" if not part.get("preliminary"):
            output = part.get("output")
            return output if isinstance(output, str) else msgspec.json.encode(output).decode()
        case "output-error":
            return str(part.get("errorText") or "The tool failed.")
        case "output-denied":
            return "The user denied this tool call."
    return None


def _text(part: _Part, at: str) -> str:
    text = part.get("text")
    if not isinstance(text, str):
        raise InvalidRequest(f"`{at}` has no text.", field=at)
    return text


def _leave_out(kind: object, at: str) -> None:
    """Raises unless a part of *kind* is one that models need not see."""
    if not isinstance(kind, str) or not (kind in _UNREAD or kind.startswith("data-")):
        raise InvalidRequest(f"`{at}` has the type {str(kind)[:50]!r}, which is not known.", field=at)
