"""
Anthropic's messages as the chat messages that model servers read.

Thinking is for its client to keep: model servers do not read earlier reasoning. What else they could not
be given is refused by name.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from gateway.edge.body import checked
from shared.errors import InvalidRequest

_Object = dict[str, Any]

#: What is shown in place of a picture in a tool's result, which chat's tools can only say.
_SEE_BELOW = "See what follows."
_UNREAD = frozenset({"thinking", "redacted_thinking"})


class InputMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a conversation."""

    role: Literal["user", "assistant", "system"]
    content: str | list[_Object]


class _ToolUse(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    input: _Object


class _ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    tool_use_id: str
    content: str | list[_Object] = ""
    is_error: bool = False


class _SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    title: str = ""
    source: str = ""
    content: list[_Object] = []


def chat_messages(system: str | Sequence[_Object] | None, messages: Sequence[InputMessage]) -> list[_Object]:
    """A conversation as OpenAI's chat writes it. Raises `InvalidRequest` naming the block at fault."""
    said: list[_Object] = []
    if system:
        said.append({"role": "system", "content": _only_text(system, "system")})
    for i, message in enumerate(messages):
        field = f"messages[{i}].content"
        if message.role == "user":
            said += _user(message.content, field)
        elif message.role == "assistant":
            said += _assistant(message.content, field)
        else:
            said.append({"role": "system", "content": _only_text(message.content, field)})
    return said


def _user(content: str | list[_Object], field: str) -> Iterator[_Object]:
    """A user's message: what tools gave comes first, as nothing may stand between a call and its result."""
    if isinstance(content, str):
        yield {"role": "user", "content": content}
        return
    parts: list[_Object] = []
    shown: list[_Object] = []
    for i, block in enumerate(content):
        at = f"{field}[{i}]"
        if block.get("type") == "tool_result":
            result = checked(block, _ToolResult, at)
            text = _result(result, shown, at)
            yield {"role": "tool", "tool_call_id": result.tool_use_id, "content": text}
        else:
            parts += _parts(block, at)
    if parts := [*shown, *parts]:
        # Servers without eyes take text alone, and some of them only as a string.
        only_text = len(parts) == 1 and parts[0]["type"] == "text"
        yield {"role": "user", "content": parts[0]["text"] if only_text else parts}


def _assistant(content: str | list[_Object], field: str) -> list[_Object]:
    if isinstance(content, str):
        return [{"role": "assistant", "content": content}]
    text: list[str] = []
    calls: list[_Object] = []
    for i, block in enumerate(content):
        at = f"{field}[{i}]"
        match block.get("type"):
            case "text":
                text.append(_text(block, at))
            case "tool_use":
                use = checked(block, _ToolUse, at)
                arguments = msgspec.json.encode(use.input).decode()
                function = {"name": use.name, "arguments": arguments}
                calls.append({"id": use.id, "type": "function", "function": function})
            case str(kind) if kind in _UNREAD:
                pass
            case kind:
                raise _unsupported(kind, at)
    if not text and not calls:
        return []
    message: _Object = {"role": "assistant", "content": "".join(text) or None}
    return [{**message, "tool_calls": calls}] if calls else [message]


def _result(result: _ToolResult, shown: list[_Object], at: str) -> str:
    """What a tool said; what it showed is for a message after its call's results."""
    text = result.content
    if not isinstance(text, str):
        parts = [part for i, block in enumerate(text) for part in _parts(block, f"{at}.content[{i}]")]
        if pictures := [part for part in parts if part["type"] != "text"]:
            shown += [{"type": "text", "text": f"The tool call {result.tool_use_id} showed:"}, *pictures]
        text = "\n".join(part["text"] for part in parts if part["type"] == "text")
        if not text and pictures:
            text = _SEE_BELOW
    # Chat has no field for it, and a failure must not look like a result.
    return f"Error: {text}" if result.is_error else text


def _parts(block: _Object, at: str) -> list[_Object]:
    """A block that a user or a tool shows, as content parts of chat."""
    if isinstance(cited := block.get("citations"), dict) and cited.get("enabled"):
        raise InvalidRequest("Citations are not supported by this server.", field=f"{at}.citations")
    match block:
        case {"type": "text"}:
            return [{"type": "text", "text": _text(block, at)}]
        case {"type": "image", "source": {"type": "base64", "media_type": str(kind), "data": str(data)}}:
            return [{"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}]
        case {"type": "image", "source": {"type": "url", "url": str(url)}}:
            return [{"type": "image_url", "image_url": {"url": url}}]
        case {"type": "document", "source": dict(source), **rest}:
            return _document(source, rest, f"{at}.source")
        case {"type": "search_result"}:
            found = checked(block, _SearchResult, at)
            text = _only_text(found.content, f"{at}.content")
            return [{"type": "text", "text": f"{found.title}\n{found.source}\n{text}"}]
        case {"type": "image"}:
            raise InvalidRequest("Pictures are taken as base64 or by url.", field=f"{at}.source")
    raise _unsupported(block.get("type"), at)


def _document(source: _Object, facts: _Object, at: str) -> list[_Object]:
    title = facts.get("title")
    head = [{"type": "text", "text": str(facts["context"])}] if facts.get("context") else []
    match source:
        case {"type": "base64", "media_type": "application/pdf" as kind, "data": str(data)}:
            name = title if isinstance(title, str) else "document.pdf"
            url = f"data:{kind};base64,{data}"
            return [*head, {"type": "file", "file": {"filename": name, "file_data": url}}]
        case {"type": "text", "data": str(text)}:
            named = f"{title}\n{text}" if isinstance(title, str) else text
            return [*head, {"type": "text", "text": named}]
        case {"type": "content", "content": str(text)}:
            return [*head, {"type": "text", "text": text}]
        case {"type": "content", "content": list(blocks)}:
            for i, block in enumerate(blocks):
                head += _parts(_block(block, at), f"{at}.content[{i}]")
            return head
    raise InvalidRequest("Documents are taken as text, or as PDF in base64.", field=at)


def _only_text(content: str | Sequence[_Object], field: str) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(_text(block, f"{field}[{i}]") for i, block in enumerate(content))


def _text(block: _Object, at: str) -> str:
    if block.get("type") != "text":
        raise InvalidRequest(f"`{at}` can be text only.", field=at)
    if not isinstance(text := block.get("text"), str):
        raise InvalidRequest(f"`{at}` has no text.", field=at)
    return text


def _block(value: object, at: str) -> _Object:
    if not isinstance(value, dict):
        raise InvalidRequest(f"`{at}` has content that is no block.", field=at)
    return value


def _unsupported(kind: object, at: str) -> InvalidRequest:
    return InvalidRequest(f"Content of type {str(kind)[:100]!r} is not supported.", field=f"{at}.type")
