"""What a reply says while it is streamed: the frames of the native dialect as typed events."""

from typing import Any, TypeVar

import msgspec


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    #: The event's place in the log, to resume after; None for what is not kept there.
    position: str | None = None


class Queued(_Said, frozen=True):
    """It waits for a worker; 1 is next."""

    place: int


class Started(_Said, frozen=True):
    """A worker took it."""

    generation_id: str
    conversation_id: str | None
    model: str
    #: The generation whose reply it goes on with.
    continues: str | None = None


class Chunk(_Said, frozen=True):
    """
    A piece of the answer; `given` is what a continued reply had already. Asked for with `multimodal`, also
    what it is a piece of, and what that says.
    """

    text: str
    content_type: str | None = None
    data: dict[str, Any] | None = None
    given: bool = False


class Reasoning(_Said, frozen=True):
    """A piece of the reasoning before the answer; `given` as of `Chunk`."""

    text: str
    given: bool = False


class ToolCall(_Said, frozen=True):
    """A piece of a call to a tool: `id`, `name` and `arguments` as far as this piece has them."""

    call: dict[str, Any]


class Reset(_Said, frozen=True):
    """Everything said so far is void: the answer starts over."""

    reason: str


class Part(_Said, frozen=True):
    """A picture that belongs to the answer here: `blob`, or why it was `lost`."""

    part: dict[str, Any]


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


Event = Queued | Started | Chunk | Reasoning | ToolCall | Part | Reset | Ended | Failed | Interrupted


_Kind = TypeVar("_Kind")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def parse(data: bytes, position: str | None) -> Event | None:
    """
    The event in a frame; None for a type that came after this client. What else came after it is passed over.

    Raises `ValueError` for what is no frame, or lacks what its type is about.
    """
    try:
        frame = _decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"not a frame of a reply: {error}") from error
    facts = frame.get("metadata")
    if not isinstance(facts, dict):
        facts = {}
    match frame.get("type"):
        case "chunk":
            content = _needed(frame, "content", str)
            content_type = _text(frame, "contentType") or None
            about = frame.get("data") if content_type else None
            return Chunk(
                content,
                content_type,
                about if isinstance(about, dict) else None,
                facts.get("given") is True,
                position=position,
            )
        case "reasoning":
            return Reasoning(_needed(frame, "content", str), facts.get("given") is True, position=position)
        case "tool_call":
            return ToolCall(_needed(facts, "tool_call", dict), position=position)
        case "part":
            return Part(_needed(facts, "part", dict), position=position)
        case "queued":
            return Queued(_needed(facts, "position", int))
        case "start":
            conversation_id = _text(frame, "conversation_id") or None
            model, continues = _text(facts, "model"), _text(facts, "continues") or None
            generation_id = _text(frame, "generation_id")
            return Started(generation_id, conversation_id, model, continues, position=position)
        case "reset":
            return Reset(_text(facts, "reason"), position=position)
        case "end":
            usage = facts.get("usage")
            return Ended(
                _text(facts, "finish_reason"), usage if isinstance(usage, dict) else {}, position=position
            )
        case "error":
            retryable = facts.get("retryable") is True
            return Failed(_text(facts, "code"), _text(frame, "content"), retryable, position=position)
        case str():
            return None
    raise ValueError("not a frame of a reply: it has no type")


def _needed(of: dict[str, Any], name: str, kind: type[_Kind]) -> _Kind:
    value = of.get(name)
    if not isinstance(value, kind):
        raise ValueError(f"not a frame of a reply: its {name} is missing or of another kind")
    return value


def _text(of: dict[str, Any], name: str) -> str:
    value = of.get(name)
    return value if isinstance(value, str) else ""
