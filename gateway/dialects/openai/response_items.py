"""
Input items and tools of OpenAI's Responses as the chat messages and tools that model servers read.

Reasoning items are for their client to keep: model servers do not read earlier reasoning. What else
they could not be given is refused by name.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from shared.errors import InvalidRequest

_Object = dict[str, Any]

_CHOICES = frozenset({None, "none", "auto", "required"})


class _Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: str | None = None
    status: str | None = None


class _Message(_Item, frozen=True, forbid_unknown_fields=True, kw_only=True):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[_Object]
    type: Literal["message"] = "message"
    phase: str | None = None


class _Call(_Item, frozen=True, forbid_unknown_fields=True, kw_only=True):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str


class _CallOutput(_Item, frozen=True, forbid_unknown_fields=True, kw_only=True):
    type: Literal["function_call_output"]
    call_id: str
    output: str | list[_Object]


class FunctionTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A function of the client's own; there are no other tools here."""

    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: _Object | None = None
    strict: bool | None = None


def items_of(given: str | Sequence[_Object], suffix: str) -> list[_Object]:
    """What was given as items that have an id and content parts, as they are listed later."""
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    listed = []
    for i, item in enumerate(given):
        item_id = item["id"] if isinstance(item.get("id"), str) else f"item_{suffix}_{i}"
        item = {"type": "message", **item, "id": item_id, "status": "completed"}
        if isinstance(item.get("content"), str):
            kind = "output_text" if item.get("role") == "assistant" else "input_text"
            item["content"] = [{"type": kind, "text": item["content"]}]
        listed.append(item)
    return listed


def chat_messages(given: str | Sequence[_Object]) -> list[_Object]:
    """Input as OpenAI's chat writes it. Raises `InvalidRequest` naming the item at fault."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    messages: list[_Object] = []
    for i, item in enumerate(given):
        field = f"input[{i}]"
        try:
            _add(messages, item, field)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"`{field}`: {error}", field=field) from error
    return messages


def assistant_message(text: str, calls: Sequence[_Object]) -> list[_Object]:
    """An answer as a chat message; none where nothing was answered."""
    if not text and not calls:
        return []
    return [{"role": "assistant", "content": text or None, **({"tool_calls": list(calls)} if calls else {})}]


def chat_call(call_id: str, name: str, arguments: str) -> _Object:
    """A function call as chat writes it."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def chat_tools(
    tools: Sequence[FunctionTool], choice: str | _Object | None
) -> tuple[list[_Object], str | _Object | None]:
    """
    Tools, and which of them is to be called, as chat writes both.

    `allowed_tools` is a hard limit: the model server is given no others.
    """
    if isinstance(choice, dict):
        named = choice.get("tools", [choice]) if choice.get("type") == "allowed_tools" else [choice]
        if not isinstance(named, list) or not all(
            isinstance(tool, dict) and tool.get("type") == "function" and isinstance(tool.get("name"), str)
            for tool in named
        ):
            raise InvalidRequest("`tool_choice` can name functions only.", field="tool_choice")
        if choice.get("type") == "allowed_tools":
            allowed = {tool["name"] for tool in named}
            tools = [tool for tool in tools if tool.name in allowed]
            choice = str(choice.get("mode", "auto"))
        else:
            choice = {"type": "function", "function": {"name": choice["name"]}}
    if isinstance(choice, str | None) and choice not in _CHOICES:
        raise InvalidRequest("`tool_choice` must be none, auto, required or a function.", field="tool_choice")
    functions = [
        {name: value for name, value in msgspec.structs.asdict(tool).items() if value is not None}
        for tool in tools
    ]
    for function in functions:
        del function["type"]
    return [{"type": "function", "function": function} for function in functions], choice


def _add(messages: list[_Object], item: _Object, field: str) -> None:
    match item.get("type", "message"):
        case "message":
            message = msgspec.convert(item, _Message)
            messages.append({"role": message.role, "content": _content(message.content, message.role, field)})
        case "function_call":
            made = msgspec.convert(item, _Call)
            call = chat_call(made.call_id, made.name, made.arguments)
            if messages and messages[-1]["role"] == "assistant":
                messages[-1].setdefault("tool_calls", []).append(call)
            else:
                messages += assistant_message("", [call])
        case "function_call_output":
            result = msgspec.convert(item, _CallOutput)
            content = _content(result.output, "tool", f"{field}.output")
            messages.append({"role": "tool", "tool_call_id": result.call_id, "content": content})
        case "reasoning":
            pass
        case other:
            raise InvalidRequest(
                f"Items of type {str(other)[:100]!r} are not supported.", field=f"{field}.type"
            )


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
                "file": {"file_data": data, "filename": str(part.get("filename", "file"))},
            }
        case {"type": "input_audio", "input_audio": dict(audio)}:
            return {"type": "input_audio", "input_audio": audio}
    raise InvalidRequest(f"Content of type {str(part.get('type'))[:100]!r} is not supported so.", field=field)
