"""
The AI SDK's UI message stream, version 1: one `data:` line of JSON a frame, `[DONE]` last.

The chunk types are those of `ai` 7 (`uiMessageChunkSchema`). Text, reasoning and tool input come as
parts that open and close, so a frame depends on what came before: a reader is fed from the log's first
event on. Part ids are positions, hence the same on every gateway. `id:` stands on the last frame of an
event. After a `reset` the step starts over: `reset-step` makes the client drop its parts; releases that
do not know it end with an error rather than with two texts in one.
"""

from typing import Any

import msgspec

from gateway.relay.dialect import Dialect, Encoder
from shared.errors import HeadraceError
from shared.events import End, Error, Event, Picture, Reasoning, Reset, Text, ToolCall, Usage
from shared.generation import Generation
from shared.position import Position

HEADERS = {"x-vercel-ai-ui-message-stream": "v1"}

_json = msgspec.json.Encoder().encode
_DONE = "data: [DONE]\n\n"
_FINISH_REASONS = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content-filter",
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
}


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """What frames depend on beside the log; kept in the generation's `dialect_options`."""

    #: The id of the message that the answer belongs to; the generation's own unless it goes on with one.
    message_id: str | None = None


def queued(generation: Generation, place: int) -> bytes:
    """A data part that is shown to the page's `onData` and kept in no message."""
    return _frame({"type": "data-queued", "data": {"position": place}, "transient": True}).encode()


class _Call(msgspec.Struct):
    """A tool call whose input is still arriving."""

    id: str
    name: str
    input: str = ""


class UIMessageEncoder(Encoder):
    """Event -> the chunks it stands for; holds which parts are open."""

    def __init__(self, generation: Generation) -> None:
        options = generation.options(Options)
        self._message_id = options.message_id or generation.id
        self._started = False
        #: Of the open part of text or reasoning: its kind, its id, and what its deltas begin with.
        self._kind: type[Text | Reasoning] | None = None
        self._part_id = ""
        self._delta = ""
        self._calls: dict[int, _Call] = {}

    def encode(self, position: Position, event: Event) -> bytes:
        """All frames of one event; the last has its id."""
        if type(event) is self._kind:
            text = _json(event.text).decode()
            return f"id: {position[0]}-{position[1]}\n{self._delta}{text}}}\n\n".encode()
        frames = [*self._begin(), *self._frames(position, event)]
        if frames:
            frames[-1] = f"id: {position}\n{frames[-1]}"
        return "".join(frames).encode()

    def _frames(self, position: Position, event: Event) -> list[str]:
        match event:
            case Text() | Reasoning():
                return [*self._end_part(), *self._open(type(event), str(position), event.text)]
            case Picture() if event.part.lost is not None:
                return [_frame({"type": "data-picture-lost", "data": {"reason": event.part.lost}})]
            case Picture():
                file = {"type": "file", "url": event.address, "mediaType": event.part.content_type}
                return [*self._end_part(), _frame(file)]
            case ToolCall():
                return self._tool_call(position, event)
            case Reset():
                self._kind = None
                self._calls.clear()
                return [_frame({"type": "reset-step"})]
            case End(finish_reason="cancelled"):
                reason = {"reason": event.reason} if event.reason else {}
                return [*self._close(whole=False), _frame({"type": "abort", **reason}), _DONE]
            case End():
                reason = {"finishReason": _FINISH_REASONS.get(event.finish_reason, "other")}
                metadata = {"usage": _usage(event.usage)}
                last = _frame({"type": "finish", **reason, "messageMetadata": metadata})
                finish = [_frame({"type": "finish-step"}), last]
                return [*self._close(), *finish, _DONE]
            case Error():
                error = _frame({"type": "error", "errorText": event.message})
                return [*self._close(whole=False), error, _DONE]
        return []

    def _begin(self) -> list[str]:
        """The message's head, once: the log of one that no worker ever took has no `start` event."""
        if self._started:
            return []
        self._started = True
        return [_frame({"type": "start", "messageId": self._message_id}), _frame({"type": "start-step"})]

    def _open(self, kind: type[Text | Reasoning], part_id: str, text: str) -> list[str]:
        self._kind, self._part_id = kind, part_id
        self._delta = f'data: {{"type":"{_NOUN[kind]}-delta","id":"{part_id}","delta":'
        start = _frame({"type": f"{_NOUN[kind]}-start", "id": part_id})
        return [start, f"{self._delta}{_json(text).decode()}}}\n\n"]

    def _close(self, *, whole: bool = True) -> list[str]:
        """End what is open; a tool's input is available only once it is *whole*."""
        frames = [_available(call) for call in self._calls.values() if whole]
        self._calls.clear()
        return [*frames, *self._end_part()]

    def _end_part(self) -> list[str]:
        """End the open text or reasoning. Calls stay open: more of their input may follow."""
        if self._kind is None:
            return []
        end = _frame({"type": f"{_NOUN[self._kind]}-end", "id": self._part_id})
        self._kind = None
        return [end]

    def _tool_call(self, position: Position, event: ToolCall) -> list[str]:
        frames, call = [], self._calls.get(event.index)
        # Some servers give every call the same index.
        if call is None or (event.id and event.id != call.id):
            frames = self._end_part()
            if call is not None:
                frames.append(_available(call))
            call = self._calls[event.index] = _Call(event.id or f"call_{position}", event.name or "")
            frames.append(_frame({"type": "tool-input-start", "toolCallId": call.id, "toolName": call.name}))
        if event.arguments:
            call.input += event.arguments
            delta = {"toolCallId": call.id, "inputTextDelta": event.arguments}
            frames.append(_frame({"type": "tool-input-delta", **delta}))
        return frames


_NOUN: dict[type[Text | Reasoning], str] = {Text: "text", Reasoning: "reasoning"}


def _usage(counted: Usage) -> dict[str, Any]:
    """Token counts under the SDK's names; `estimated` where the upstream gave none."""
    counts: dict[str, Any] = {
        "inputTokens": counted.prompt_tokens,
        "outputTokens": counted.completion_tokens,
        "totalTokens": counted.total_tokens,
    }
    if counted.cached_tokens is not None:
        counts["cachedInputTokens"] = counted.cached_tokens
    if counted.reasoning_tokens is not None:
        counts["reasoningTokens"] = counted.reasoning_tokens
    if counted.estimated:
        counts["estimated"] = True
    return counts


def _available(call: _Call) -> str:
    """*call* with its whole input, or the word that it cannot be read."""
    facts: dict[str, Any] = {"toolCallId": call.id, "toolName": call.name}
    try:
        facts |= {"type": "tool-input-available", "input": msgspec.json.decode(call.input or "{}")}
    except (msgspec.DecodeError, RecursionError):
        facts |= {"type": "tool-input-error", "input": call.input, "errorText": "This input is not JSON."}
    return _frame(facts)


def _frame(chunk: dict[str, Any]) -> str:
    return f"data: {_json(chunk).decode()}\n\n"


def refuse(generation: Generation, error: HeadraceError) -> bytes:
    """The SDK knows text alone of an error."""
    return (_frame({"type": "error", "errorText": error.message}) + _DONE).encode()


UI_MESSAGE = Dialect(
    name="ui_message",
    encoder=UIMessageEncoder,
    refuse=refuse,
    queued=queued,
    stateless=False,
    comes_back=False,
    hears_retry=True,
    says_reset=True,
)
