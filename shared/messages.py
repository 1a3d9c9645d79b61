"""A conversation's messages as the broker keeps them and clients get them: the same JSON."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from shared.events import Usage
from shared.parts import Part


class Failure(msgspec.Struct, frozen=True):
    """Why a generation failed."""

    code: str
    message: str


class MadeCall(msgspec.Struct):
    """A tool call of an answer, its pieces joined. `at` counts the characters of the answer before it."""

    id: str
    name: str
    arguments: str = ""
    at: int = 0


class Message(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """
    One message. Both of a turn carry the generation that answers it.

    All from `state` on is a reply's: how it ended (`done`, `failed` or `cancelled`) and why (a
    `FinishReason`, and the model server's own word), what it cost, who gave it, how long it reasoned,
    and which tools it called. No model is named where none had begun.
    """

    # `lua/_steps.lua` finds a turn by these two, as they are written first.
    role: Literal["user", "assistant", "system"]
    generation_id: str | None = None
    content: str
    ts: int
    state: str | None = None
    finish_reason: str | None = None
    upstream_reason: str | None = None
    model: str | None = None
    usage: Usage | None = None
    reasoning: str | None = None
    #: From the first reasoning to what came after it, or to the end.
    reasoning_ms: int | None = None
    tool_calls: list[MadeCall] | None = None
    error: Failure | None = None
    #: Pictures and files beside its text.
    parts: list[Part] | None = None
    #: What it was said as, where a dialect has to show it again, and to a model.
    items: list[dict[str, Any]] | None = None


#: Our own rough count, for bounding a prompt; what an upstream reports always wins.
_CHARS_PER_TOKEN = 4

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Message).decode


class CutReply(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A reply that another generation continues: whose it was, and what the two have in common."""

    generation_id: str
    text: str
    reasoning: str | None = None
    reasoning_ms: int | None = None
    usage: Usage | None = None


def joined(said: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    *said*, as OpenAI writes messages, where what a user says in a row is one message.

    After an answer that was stopped before its first word there are two, which strict templates refuse.
    """
    messages: list[dict[str, Any]] = []
    for message in said:
        if messages and message.get("role") == messages[-1].get("role") == "user":
            messages[-1] = {**messages[-1], "content": _both(messages[-1]["content"], message["content"])}
        else:
            messages.append(message)
    return messages


def _both(first: Any, second: Any) -> Any:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_parts(first), *_parts(second)]


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def count_tokens(text: str) -> int:
    """Roughly how many tokens *text* has."""
    return len(text) // _CHARS_PER_TOKEN + 1


def prompt_tokens(said: Sequence[Mapping[str, Any]], tools: object = None) -> int:
    """Roughly how many tokens a model reads: messages as OpenAI writes them, and its *tools*."""
    counted = count_tokens(msgspec.json.encode(tools).decode()) if tools else 0
    return counted + sum(message_tokens(message) for message in said)


def message_tokens(message: Mapping[str, Any]) -> int:
    """Roughly how many tokens a message has, as OpenAI writes it."""
    content = message.get("content") or ""
    if not isinstance(content, str):
        # Pictures and sounds have no length that could be counted here; a file has, before it is read.
        files: list[int] = [
            part["blob"].size for part in content if "blob" in part and part["blob"].type == "file"
        ]
        said = "".join(str(part.get("text") or "") for part in content)
        read: int = sum(files) // _CHARS_PER_TOKEN
        return read + count_tokens(said + str(message.get("tool_calls") or ""))
    return count_tokens(content + str(message.get("tool_calls") or ""))
