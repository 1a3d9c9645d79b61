"""
What the fake upstream sends: a request's behaviour, and the bytes and acts that follow from it.

All frames of a behaviour are made once and shared by every request that asks for it.
"""

import enum
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec

from worker.backends.script import Script, cut, deltas_of, generated_words, up_to

encode = msgspec.json.encode

_HEAD = b'{"id":"chatcmpl-fake","object":"chat.completion.chunk","created":1700000000,"model":"fake",'
_STAMP_DIGITS = 20


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to answer. Counts are in deltas of text, from the answer's beginning."""

    #: Deltas a second; 0 sends all at once.
    rate: float = 0
    length: int = 10
    text: str | None = None
    seed: int = 0
    echo: bool = False
    first_token_delay_s: float = 0
    reasoning: int = 0
    #: Call `tool` with `arguments`, unless its result is there already.
    tool_call: bool = False
    tool: str = "read_level"
    arguments: str = '{"gate": "upper"}'
    #: Every delta is the moment it was written, by the monotonic clock in ns, and a space.
    stamp: bool = False
    finish_reason: str | None = "stop"
    #: `finish_reason` comes by itself, usage in a chunk without choices after it.
    usage: bool = True
    done: bool = True

    #: Only the first so many requests with the same last message meet what follows; else all do.
    fail_times: int | None = None
    status: int = 200
    #: The `Retry-After` header, as it is to be sent.
    retry_after: str | None = None
    #: What a refusal says, and an error frame.
    message: str = "The fake upstream was told to fail."
    content_type: str | None = None
    #: Nothing at all, not even a status.
    never_answer: bool = False
    #: A second request over one connection finds it closed, which no header announced.
    close_unannounced: bool = False
    stall_after: int | None = None
    #: All is said, but the connection stays open.
    stall_at_end: bool = False
    break_after: int | None = None
    #: Where in the next delta the connection is cut.
    break_inside: Literal["line", "utf8"] | None = None
    #: It is reset (RST), not closed (FIN).
    break_by_reset: bool = False
    #: The body ends in order, though the answer does not.
    end_after: int | None = None
    #: The same, with a `[DONE]` before it.
    done_after: int | None = None
    error_frame_after: int | None = None
    garbage_after: int | None = None
    invalid_utf8_after: int | None = None
    huge_line_after: int | None = None
    huge_line_bytes: int = 10 * 1024 * 1024

    #: Answer in one JSON body, although asked to stream.
    whole: bool = False
    crlf: bool = False
    #: Comments, event names and ids around each frame, and `data:` without a space.
    decorated: bool = False
    #: Cut the byte stream into writes of this many bytes.
    piece_bytes: int | None = None

    def kindly(self) -> "Behaviour":
        """The same answer without any failure."""
        kept = {name: getattr(self, name) for name in _KIND}
        return Behaviour(**kept)


#: What is no failure.
_KIND = (
    *Behaviour.__struct_fields__[: Behaviour.__struct_fields__.index("fail_times")],
    *("whole", "crlf", "decorated", "piece_bytes"),
)


class Act(enum.Enum):
    """A step that is no write of ready bytes."""

    STAMP = enum.auto()
    STALL = enum.auto()
    CUT = enum.auto()
    RESET = enum.auto()
    END = enum.auto()


Step = bytes | Act
#: A request's `stop`.
Stop = str | tuple[str, ...] | None


class BadPrefix(ValueError):
    """The last message is an assistant's, but not the beginning of this answer."""


def chunked(data: bytes) -> bytes:
    """*data* as one chunk of a chunked body (RFC 9112, section 7.1)."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def text_deltas(behaviour: Behaviour, message: str, prefix: str, stop: Stop = None) -> Sequence[str]:
    """What is left to say after *prefix*, up to the first sequence of *stop*."""
    b = behaviour
    if b.stamp:
        return ["0" * _STAMP_DIGITS + " "] * b.length
    script = Script(length=b.length if b.text is None else None, text=b.text, seed=b.seed, echo=b.echo)
    deltas = deltas_of(script, message)
    whole = "".join(deltas)
    if not whole.startswith(prefix):
        raise BadPrefix()
    return cut(up_to(whole[len(prefix) :], stop)) if prefix or stop else deltas


def frame(choice: dict[str, Any], behaviour: Behaviour, finish_reason: str | None = None) -> bytes:
    """One chunk as an event."""
    choices = [{"index": 0, "delta": choice, "finish_reason": finish_reason}]
    return event(_HEAD + b'"choices":' + encode(choices) + b"}", behaviour)


def event(data: bytes, behaviour: Behaviour) -> bytes:
    """*data* as an event."""
    text = b"data: " + data + b"\n\n"
    if behaviour.decorated:
        text = b": keep-alive\n\nevent: message\nid: 7\nretry: 5\ndata:" + data + b"\n\n"
    return text.replace(b"\n", b"\r\n") if behaviour.crlf else text


def stamp_frame() -> tuple[bytes, bytes]:
    """What stands before and after the stamp in its frame."""
    marker = "#" * _STAMP_DIGITS
    before, after = chunked(frame({"content": marker + " "}, Behaviour())).split(marker.encode())
    return before, after


class Plan(msgspec.Struct, frozen=True):
    """An answer's steps, one a delta, and how many of them are deltas."""

    steps: Sequence[Step]
    deltas: int


@lru_cache(maxsize=64)
def plan(behaviour: Behaviour, message: str, prefix: str, include_usage: bool, stop: Stop = None) -> Plan:
    """The last steps hold all that ends the answer. Raises `BadPrefix`."""
    b = behaviour
    deltas = text_deltas(b, message, prefix, stop)
    said = len(cut(prefix))
    plain: list[Step] = []
    if not prefix:
        plain += [frame({"reasoning_content": word}, b) for word in generated_words(b.seed + 1, b.reasoning)]
    for at, delta in enumerate((*deltas, "end"), said):
        # A continuation would meet the same mishap at its start for ever.
        mishap = _mishap(b, at, delta) if at > said or not prefix else []
        if mishap:
            break
        if at < said + len(deltas):
            plain.append(Act.STAMP if b.stamp else frame({"content": delta}, b))
    count = len(plain)
    plain += mishap or [_tail(b, len(deltas), include_usage), Act.STALL if b.stall_at_end else Act.END]
    if isinstance(plain[0], bytes):
        plain[0] = frame({"role": "assistant", "content": ""}, b) + plain[0]
    return Plan(_on_the_wire(plain, b.piece_bytes), count)


def _on_the_wire(plain: Sequence[Step], piece_bytes: int | None) -> Sequence[Step]:
    wire: list[Step] = []
    for step in plain:
        if isinstance(step, Act):
            wire.append(step)
        elif piece_bytes is None:
            wire.append(chunked(step))
        else:
            wire += [chunked(step[i : i + piece_bytes]) for i in range(0, len(step), piece_bytes)]
    return wire


def _mishap(b: Behaviour, at: int, delta: str) -> list[Step]:
    """What happens in place of all that follows delta number *at*."""
    if at == b.stall_after:
        return [Act.STALL]
    if at == b.end_after:
        return [Act.END]
    if at == b.done_after:
        return [event(b"[DONE]", b), Act.END]
    if at == b.error_frame_after:
        return [
            event(encode({"error": {"message": b.message, "type": "server_error", "code": 500}}), b),
            Act.END,
        ]
    if at == b.garbage_after:
        return [event(b'{"choices": [{"delta": nonsense', b), Act.END]
    if at == b.invalid_utf8_after:
        return [frame({"content": "\u20ac"}, b).replace("\u20ac".encode(), b"\xe2\x28\xa1"), Act.END]
    if at == b.huge_line_after:
        return [b"data: " + b"x" * b.huge_line_bytes, Act.STALL]
    if at == b.break_after:
        cut_by: Step = Act.RESET if b.break_by_reset else Act.CUT
        if b.break_inside == "line":
            return [frame({"content": delta}, b)[:-20], cut_by]
        if b.break_inside == "utf8":
            whole = frame({"content": "\u20ac"}, b)
            return [whole[: whole.index("\u20ac".encode()) + 1], cut_by]
        return [cut_by]
    return []


def _tail(b: Behaviour, length: int, include_usage: bool) -> bytes:
    tail = b""
    if b.tool_call:
        for piece in tool_call_pieces(b):
            tail += frame({"tool_calls": [piece]}, b)
    if b.finish_reason is not None:
        tail += frame({}, b, "tool_calls" if b.tool_call else b.finish_reason)
    if b.usage and include_usage:
        tail += event(_HEAD + b'"choices":[],"usage":' + encode(usage(length)) + b"}", b)
    if b.done:
        tail += event(b"[DONE]", b)
    return tail


def tool_call_pieces(b: Behaviour) -> list[dict[str, Any]]:
    """A call as it is streamed: id and name first, the arguments in two halves."""
    half = len(b.arguments) // 2
    return [
        {
            "index": 0,
            "id": "call_fake",
            "type": "function",
            "function": {"name": b.tool, "arguments": ""},
        },
        {"index": 0, "function": {"arguments": b.arguments[:half]}},
        {"index": 0, "function": {"arguments": b.arguments[half:]}},
    ]


def usage(completion_tokens: int) -> dict[str, int]:
    """Seven tokens of prompt, and one a delta."""
    return {
        "prompt_tokens": 7,
        "completion_tokens": completion_tokens,
        "total_tokens": 7 + completion_tokens,
    }
