"""What a reply says while it is streamed: the frames of the native dialect as typed events."""

from typing import Any

import msgspec


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    #: The event's place in the log, to go on behind; None for what is not kept there.
    position: str | None = None


class Queued(_Said, frozen=True):
    """It waits for a worker; 1 is next."""

    place: int


class Started(_Said, frozen=True):
    """A worker took it."""

    generation_id: str
    conversation_id: str | None
    model: str


class Chunk(_Said, frozen=True):
    """A piece of the answer."""

    text: str


class Reasoning(_Said, frozen=True):
    """A piece of the reasoning before the answer."""

    text: str


class ToolCall(_Said, frozen=True):
    """A piece of a call to a tool: `id`, `name` and `arguments` as far as this piece has them."""

    call: dict[str, Any]


class Reset(_Said, frozen=True):
    """Everything said so far is void: the answer starts over."""

    reason: str


class Ended(_Said, frozen=True):
    """The last event of a reply that ended well, or `cancelled`."""

    finish_reason: str
    usage: dict[str, Any]


class Failed(_Said, frozen=True):
    """The last event of a reply that failed; what was said before still stands."""

    code: str
    message: str
    retryable: bool


class Interrupted(_Said, frozen=True):
    """The connection broke; it is tried again in *retry_s*. Made by the client, not by the server."""

    reason: str
    retry_s: float


Event = Queued | Started | Chunk | Reasoning | ToolCall | Reset | Ended | Failed | Interrupted


class _Frame(msgspec.Struct):
    type: str
    content: str = ""
    conversation_id: str | None = None
    generation_id: str = ""
    metadata: dict[str, Any] = {}


_decode = msgspec.json.Decoder(_Frame).decode


def parse(data: bytes, position: str | None) -> Event | None:
    """The event in a frame; None for types that came after this client. Raises `ValueError`."""
    try:
        frame = _decode(data)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a frame of a reply: {error}") from error
    facts = frame.metadata
    match frame.type:
        case "chunk":
            return Chunk(frame.content, position=position)
        case "reasoning":
            return Reasoning(frame.content, position=position)
        case "tool_call":
            return ToolCall(dict(facts.get("tool_call") or {}), position=position)
        case "queued":
            return Queued(int(facts.get("position", 0)))
        case "start":
            model = str(facts.get("model", ""))
            return Started(frame.generation_id, frame.conversation_id, model, position=position)
        case "reset":
            return Reset(str(facts.get("reason", "")), position=position)
        case "end":
            reason = str(facts.get("finish_reason", ""))
            return Ended(reason, dict(facts.get("usage") or {}), position=position)
        case "error":
            code = str(facts.get("code", ""))
            return Failed(code, frame.content, bool(facts.get("retryable")), position=position)
    return None
