"""
Input items of OpenAI's Responses as the chat messages that model servers read.

Reasoning items are for their client to keep: model servers do not read earlier reasoning. What else
they could not be given is refused by name.
"""

from base64 import b64decode
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from gateway.dialects.openai.response_tools import joined
from gateway.dialects.openai.sealed import unseal
from gateway.edge.body import checked
from shared.blobs import TEXT, type_of
from shared.errors import InvalidRequest

_Object = dict[str, Any]

#: What is shown in place of a picture in a tool's output, which chat's tools can only say.
_SEE_BELOW = "See what follows."
#: Before a summary, as a model reads it.
SUMMED_UP = "The conversation before this was summed up as follows:\n\n"


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[_Object]


class _Call(msgspec.Struct, frozen=True, kw_only=True):
    call_id: str
    name: str
    arguments: str
    namespace: str | None = None


class _CustomCall(msgspec.Struct, frozen=True, kw_only=True):
    call_id: str
    name: str
    input: str


class _CallOutput(msgspec.Struct, frozen=True, kw_only=True):
    call_id: str
    output: str | list[_Object]


class Compaction(msgspec.Struct, frozen=True, kw_only=True):
    """What an earlier part of a conversation came to. Its content is for this service alone to read."""

    type: Literal["compaction"] = "compaction"
    id: str | None = None
    encrypted_content: str


def kind_of(item: _Object) -> object:
    """An item's type, which messages and references may leave out."""
    if (kind := item.get("type")) is not None:
        return kind
    return "item_reference" if "id" in item and item.keys() <= {"id", "type"} else "message"


def items_of(given: str | Sequence[_Object], suffix: str) -> list[_Object]:
    """What was given as items that have an id and content parts, as they are listed later."""
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    listed = []
    for i, item in enumerate(given):
        item_id = item["id"] if isinstance(item.get("id"), str) else f"item_{suffix}_{i}"
        item = {**item, "type": kind_of(item), "id": item_id, "status": "completed"}
        if isinstance(item.get("content"), str):
            text = {"type": "input_text", "text": item["content"]}
            if item.get("role") == "assistant":
                text |= {"type": "output_text", "annotations": [], "logprobs": []}
            item["content"] = [text]
        listed.append(item)
    return listed


def chat_messages(given: str | Sequence[_Object]) -> list[_Object]:
    """Input as OpenAI's chat writes it. Raises `InvalidRequest` naming the item at fault."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    messages: list[_Object] = []
    shown: list[_Object] = []
    for i, item in enumerate(given):
        kind = kind_of(item)
        if kind == "reasoning":
            continue
        if shown and not str(kind).endswith("_call_output"):
            # Nothing may stand between a call and its outputs.
            messages.append({"role": "user", "content": shown})
            shown = []
        _add(messages, shown, kind, item, f"input[{i}]")
    return [*messages, {"role": "user", "content": shown}] if shown else messages


def assistant_message(text: str, calls: Sequence[_Object]) -> list[_Object]:
    """An answer as a chat message; none where nothing was answered."""
    if not text and not calls:
        return []
    return [{"role": "assistant", "content": text or None, **({"tool_calls": list(calls)} if calls else {})}]


def chat_call(call_id: str, name: str, arguments: str) -> _Object:
    """A function call as chat writes it."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _add(messages: list[_Object], shown: list[_Object], kind: object, item: _Object, field: str) -> None:
    match kind:
        case "message":
            message = checked(item, _Message, field)
            messages.append({"role": message.role, "content": _content(message.content, message.role, field)})
        case "compaction":
            summed = checked(item, Compaction, field)
            text = unseal(summed.encrypted_content, f"{field}.encrypted_content")
            messages.append({"role": "user", "content": f"{SUMMED_UP}{text}"})
        case "image_generation_call":
            # What it once drew; model servers take no picture of an assistant's.
            if (picture := drawn(item.get("result"))) is not None:
                messages.append(shown_picture(picture))
        case "function_call":
            made = checked(item, _Call, field)
            _add_call(messages, chat_call(made.call_id, joined(made.name, made.namespace), made.arguments))
        case "custom_tool_call":
            free = checked(item, _CustomCall, field)
            arguments = msgspec.json.encode({"input": free.input}).decode()
            _add_call(messages, chat_call(free.call_id, free.name, arguments))
        case "function_call_output" | "custom_tool_call_output":
            result = checked(item, _CallOutput, field)
            content = _output(result, shown, f"{field}.output")
            messages.append({"role": "tool", "tool_call_id": result.call_id, "content": content})
        case other:
            raise InvalidRequest(
                f"Items of type {str(other)[:100]!r} are not supported.", field=f"{field}.type"
            )


def drawn(result: object) -> _Object | None:
    """A picture in base64 as chat shows it; None for what is none."""
    try:
        head = b64decode(result[:64]) if isinstance(result, str) else b""
    except ValueError:
        return None
    content_type = type_of(head) if head else None
    if content_type is None or content_type == TEXT:
        return None
    return {"type": "image_url", "image_url": {"url": f"data:{content_type};base64,{result}"}}


def shown_picture(picture: _Object) -> _Object:
    """A picture that the model once drew, as a message that it may read."""
    return {"role": "user", "content": [{"type": "text", "text": "Your picture:"}, picture]}


def input_part(part: _Object) -> _Object:
    """A content part of chat's as Responses write it."""
    if part["type"] == "image_url":
        return {"type": "input_image", "image_url": part["image_url"]["url"], "detail": "auto"}
    return {"type": "input_text", "text": part["text"]}


def _add_call(messages: list[_Object], call: _Object) -> None:
    if messages and messages[-1]["role"] == "assistant":
        messages[-1].setdefault("tool_calls", []).append(call)
    else:
        messages += assistant_message("", [call])


def _output(result: _CallOutput, shown: list[_Object], field: str) -> str:
    """What a tool said; what it showed is for a message after its call's outputs."""
    if isinstance(result.output, str):
        return result.output
    parts = [_part(part, f"{field}[{i}]") for i, part in enumerate(result.output)]
    if pictures := [part for part in parts if part["type"] != "text"]:
        shown += [{"type": "text", "text": f"The tool call {result.call_id} showed:"}, *pictures]
    said = "".join(part["text"] for part in parts if part["type"] == "text")
    return said if said or not pictures else _SEE_BELOW


def _content(content: str | list[_Object], role: str, field: str) -> str | list[_Object]:
    if isinstance(content, str):
        return content
    parts = [_part(part, f"{field}.content[{i}]") for i, part in enumerate(content)]
    if role == "user":
        return parts
    if any(part["type"] != "text" for part in parts):
        raise InvalidRequest(f"`{field}` can be text only.", field=field)
    return "".join(part["text"] for part in parts)


def _part(part: _Object, field: str) -> _Object:
    match part:
        case {"type": "input_text" | "output_text" | "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "refusal", "refusal": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "input_image", "image_url": str(url)}:
            detail = {"detail": part["detail"]} if isinstance(part.get("detail"), str) else {}
            return {"type": "image_url", "image_url": {"url": url, **detail}}
        case {"type": "input_file", "file_data": str(data)}:
            return {
                "type": "file",
                "file": {"file_data": data, "filename": str(part.get("filename") or "file")},
            }
        case {"type": "input_audio", "input_audio": dict(audio)}:
            return {"type": "input_audio", "input_audio": audio}
    raise InvalidRequest(f"Content of type {str(part.get('type'))[:100]!r} is not supported so.", field=field)
