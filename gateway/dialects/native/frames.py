"""
The chat protocol's own frames: `id:` is the position, `data:` one JSON object, no `event:` line.

Stateless: a frame depends on its event alone, so a stream can be taken up at any position.
"""

from dataclasses import replace
from typing import Any

import msgspec

from gateway.edge.timestamp import iso
from gateway.relay.dialect import Dialect, Encoder
from shared.errors import HeadraceError
from shared.events import (
    Audio,
    End,
    Error,
    Event,
    HandOver,
    Picture,
    Reasoning,
    Reset,
    Start,
    Text,
    ToolCall,
    Usage,
    now_ms,
)
from shared.generation import Generation
from shared.position import Position

#: Between a generation's id and a position of it.
OF_GENERATION = "/"

_json = msgspec.json.Encoder().encode


def queued(generation: Generation, place: int) -> bytes:
    """`{"type":"queued","metadata":{"position":1}}`: 1 is next. It has no id: nothing may resume from it."""
    return NativeEncoder(generation).frame("", "queued", "", now_ms(), {"position": place})


def refuse(generation: Generation, error: HeadraceError) -> bytes:
    """An `error` without id: it is no event of the log, and the last that is can be resumed after."""
    facts = {"code": error.code, "retryable": error.retryable}
    return NativeEncoder(generation).frame("", "error", error.message, now_ms(), facts)


class NativeEncoder(Encoder):
    """Event -> `start`, `chunk`, `reasoning`, `tool_call`, `reset`, `end` or `error` frame."""

    def __init__(self, generation: Generation, id_prefix: str = "") -> None:
        self._id_prefix = id_prefix
        self._model = generation.model
        conversation = _json(generation.conversation).decode()
        #: Everything of a chunk that does not change from one to the next.
        self._after_content = f',"conversation_id":{conversation},"timestamp":"'
        self._chunk_end = f'","metadata":{{"model":{_json(generation.model).decode()},"tokens":'
        self._start = f',"generation_id":{_json(generation.id).decode()}'

    def encode(self, position: Position, event: Event) -> bytes:
        """One frame an event."""
        at = f"id: {self._id_prefix}{position[0]}-{position[1]}\n"
        match event:
            case Text():
                content = _json(event.text).decode()
                if event.given:
                    return self.frame(at, "chunk", event.text, event.ts, self._of(event))
                return (
                    f'{at}data: {{"type":"chunk","content":{content}{self._after_content}{iso(event.ts)}'
                    f"{self._chunk_end}{event.tokens}}}}}\n\n"
                ).encode()
            case Reasoning():
                return self.frame(at, "reasoning", event.text, event.ts, self._of(event))
            case ToolCall():
                call = {
                    "index": event.index,
                    "id": event.id,
                    "name": event.name,
                    "arguments": event.arguments,
                }
                return self.frame(at, "tool_call", "", event.ts, {"model": self._model, "tool_call": call})
            case Picture():
                return self.frame(at, "part", "", event.ts, {"model": self._model, "part": event.part})
            case Start():
                facts: dict[str, Any] = {"model": event.model}
                if event.continues is not None:
                    facts["continues"] = event.continues
                return self.frame(at, "start", "", event.ts, facts, self._start)
            case Reset():
                return self.frame(at, "reset", "", event.ts, {"reason": event.reason})
            case End():
                facts = {"finish_reason": event.finish_reason, **_spent(event)}
                if event.reason is not None:
                    facts["reason"] = event.reason
                return self.frame(at, "end", "", event.ts, facts)
            case Error():
                facts = {"code": event.code, "retryable": event.retryable, **_spent(event)}
                if event.retry_after_s is not None:
                    facts["retry_after_s"] = event.retry_after_s
                return self.frame(at, "error", event.message, event.ts, facts)
            case HandOver():
                why = {} if event.reason is None else {"reason": event.reason}
                return self.frame(at, "hand_over", "", event.ts, {"upstream": event.upstream, **why})
            case Audio():
                return b""

    def _of(self, piece: Text | Reasoning) -> dict[str, Any]:
        facts: dict[str, Any] = {"model": self._model, "tokens": piece.tokens}
        return facts | {"given": True} if piece.given else facts

    def frame(
        self, at: str, kind: str, content: str, ts: int, metadata: dict[str, Any], extra: str = ""
    ) -> bytes:
        """One frame of *kind*; *extra* goes after the conversation's id."""
        head = f'{at}data: {{"type":"{kind}","content":{_json(content).decode()}'
        conversation, _, stamp = self._after_content.partition(',"timestamp"')
        return (
            f'{head}{conversation}{extra},"timestamp"{stamp}{iso(ts)}","metadata":{_json(metadata).decode()}}}\n\n'
        ).encode()


def _spent(event: End | Error) -> dict[str, Any]:
    """Who answered and what it cost, as far as that is known."""
    facts: dict[str, Any] = {"usage": usage(event)}
    if event.billed is not None:
        facts["billed"] = _counts(event.billed)
    if event.cost is not None:
        facts["cost"] = event.cost
    if event.upstreams:
        facts["upstreams"] = event.upstreams
    if event.upstream_reason is not None:
        facts["upstream_reason"] = event.upstream_reason
    return facts


def usage(event: End | Error) -> dict[str, Any]:
    """Token counts as OpenAI names them; `estimated` where the upstream gave none."""
    return _counts(event.usage)


def _counts(counted: Usage) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "prompt_tokens": counted.prompt_tokens,
        "completion_tokens": counted.completion_tokens,
        "total_tokens": counted.total_tokens,
    }
    if counted.estimated:
        counts["estimated"] = True
    if counted.cached_tokens is not None:
        counts["cached_tokens"] = counted.cached_tokens
    if counted.reasoning_tokens is not None:
        counts["reasoning_tokens"] = counted.reasoning_tokens
    return counts


NATIVE = Dialect(
    name="native",
    encoder=NativeEncoder,
    refuse=refuse,
    queued=queued,
    stateless=True,
    comes_back=True,
    hears_retry=True,
    says_reset=True,
)

#: The stream of whatever answers a conversation: its ids say whose events they are, so that a plain
#: `EventSource` which goes on into the next reply takes none of its events for read.
CONVERSATION = replace(
    NATIVE, encoder=lambda generation: NativeEncoder(generation, f"{generation.id}{OF_GENERATION}")
)
