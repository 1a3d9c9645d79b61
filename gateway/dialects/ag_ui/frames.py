"""
AG-UI 1.0: one `data:` line of JSON an event, as https://docs.ag-ui.com has them; a run ends with
`RUN_FINISHED` or `RUN_ERROR`.

Messages, reasoning and calls open and close, so a frame depends on what came before and a reader is fed
from the log's first event on. Ids of messages are positions, hence the same on every gateway. Beyond the
protocol, the last frame of an event has its position for an `id:`. A worker's attempt is a step. After a
`reset` the thread's messages are told anew, without what is void.
"""

from typing import Any

import msgspec

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
)
from shared.generation import Generation
from shared.position import Position

VERSION = "1.0"

_json = msgspec.json.Encoder().encode
_START = {Text: "TEXT_MESSAGE_START", Reasoning: "REASONING_MESSAGE_START"}
_CONTENT = {Text: "TEXT_MESSAGE_CONTENT", Reasoning: "REASONING_MESSAGE_CONTENT"}
_END = {Text: "TEXT_MESSAGE_END", Reasoning: "REASONING_MESSAGE_END"}
_ROLE = {Text: "assistant", Reasoning: "reasoning"}


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """What frames depend on beside the log; kept in the generation's `dialect_options`."""

    run_id: str = ""
    parent_run_id: str | None = None
    #: The thread as its client sent it, to be told again after a reset.
    messages: list[dict[str, Any]] = []
    #: The client's own; nobody here changes it.
    state: Any = None


class _Call(msgspec.Struct, eq=False):
    """A tool call whose arguments are still arriving: its id here, and the model server's."""

    id: str
    upstream_id: str | None


def queued(generation: Generation, place: int) -> bytes:
    """The place in the queue, as a comment: nothing may come before the start of a run."""
    return b": queued=%d\n" % place


class AGUIEncoder(Encoder):
    """Event -> the events it stands for; holds what is open."""

    def __init__(self, generation: Generation) -> None:
        self._options = generation.options(Options)
        self._suffix = generation.id.removeprefix("gen_")
        self._model = generation.model
        self._run = {"threadId": generation.conversation or "", "runId": self._options.run_id}
        self._started = False
        #: The attempt that writes, which is a step of the run.
        self._attempt = 0
        #: Of the open message: its kind, its id, and what its deltas begin with.
        self._kind: type[Text | Reasoning] | None = None
        self._message_id = ""
        self._delta = b""
        #: The reasoning told so far. A client keeps what a snapshot leaves out of it, so it is emptied.
        self._reasoned: list[str] = []
        #: The message that the run's calls belong to.
        self._parent: str | None = None
        self._calls: dict[int, _Call] = {}
        self._open_calls: list[str] = []
        self._made: list[str] = []

    def encode(self, position: Position, event: Event) -> bytes:
        """All frames of one event; the last has its id."""
        if isinstance(event, Picture):
            return self.encode(position, event.as_text)
        at = b"id: %d-%d\n" % position
        if type(event) is self._kind and position[0] == self._attempt:
            return at + self._delta + _json(event.text) + b"}\n\n"
        frames = self._begin(event.ts)
        if not isinstance(event, End | Error):
            frames += self._step(position[0])
        if type(event) is self._kind:
            frames.append(self._delta + _json(event.text) + b"}\n\n")
        else:
            frames += self._frames(position, event)
        if not frames:
            return b""
        frames[-1] = at + frames[-1]
        return b"".join(frames)

    def _frames(self, position: Position, event: Event) -> list[bytes]:
        match event:
            case Start() | HandOver() | Audio():
                return []
            case Picture():
                return self._frames(position, event.as_text)
            case Text() | Reasoning():
                return [*self._close(), *self._open(type(event), position, event.text)]
            case ToolCall():
                return self._tool_call(position, event)
            case Reset():
                frames = [*self._close(), *self._close_calls()]
                self._calls.clear()
                self._made.clear()
                self._parent = None
                custom = _frame("CUSTOM", name="headrace.reset", value={"reason": event.reason})
                void = [{"id": each, "role": "reasoning", "content": ""} for each in self._reasoned]
                return [
                    *frames,
                    custom,
                    _frame("MESSAGES_SNAPSHOT", messages=[*self._options.messages, *void]),
                ]
            case End():
                frames = [*self._close(), *self._close_calls(), *self._end_step()]
                return [*frames, self._finished(event)]
            case Error():
                facts = {"message": event.message, "code": event.code, "usage": [self._usage(event.usage)]}
                return [_frame("RUN_ERROR", timestamp=event.ts, **facts)]

    def _begin(self, ts: int) -> list[bytes]:
        """The run's head, once: the log of one that no worker ever took has no `start` event."""
        if self._started:
            return []
        self._started = True
        facts: dict[str, Any] = {**self._run, "protocolVersion": VERSION, "timestamp": ts}
        if self._options.parent_run_id is not None:
            facts["parentRunId"] = self._options.parent_run_id
        frames = [_frame("RUN_STARTED", **facts)]
        if self._options.state:
            frames.append(_frame("STATE_SNAPSHOT", snapshot=self._options.state))
        return frames

    def _open(self, kind: type[Text | Reasoning], position: Position, text: str) -> list[bytes]:
        self._kind, self._message_id = kind, self._id_at(position)
        frames = []
        if kind is Text:
            self._parent = self._message_id
        else:
            self._reasoned.append(self._message_id)
            frames = [_frame("REASONING_START", messageId=self._message_id)]
        head = f'data: {{"type":"{_CONTENT[kind]}","messageId":"{self._message_id}","delta":'
        self._delta = head.encode()
        begun = _frame(_START[kind], messageId=self._message_id, role=_ROLE[kind])
        return [*frames, begun, self._delta + _json(text) + b"}\n\n"]

    def _close(self) -> list[bytes]:
        """End the open message."""
        if self._kind is None:
            return []
        frames = [_frame(_END[self._kind], messageId=self._message_id)]
        if self._kind is Reasoning:
            frames.append(_frame("REASONING_END", messageId=self._message_id))
        self._kind = None
        return frames

    def _tool_call(self, position: Position, event: ToolCall) -> list[bytes]:
        frames, call = [], self._calls.get(event.index)
        # Some servers give every call the same index.
        if call is None or (event.id and event.id != call.upstream_id):
            frames = self._close()
            if self._parent is None:
                self._parent = self._id_at(position)
            call = self._calls[event.index] = _Call(self._call_id(position, event.id), event.id)
            self._made.append(call.id)
            self._open_calls.append(call.id)
            facts = {"toolCallName": event.name or "", "parentMessageId": self._parent}
            frames.append(_frame("TOOL_CALL_START", toolCallId=call.id, **facts))
        if event.arguments:
            frames.append(_frame("TOOL_CALL_ARGS", toolCallId=call.id, delta=event.arguments))
        return frames

    def _call_id(self, position: Position, upstream_id: str | None) -> str:
        """The model server's id, unless it is none or another call of this run has it."""
        if upstream_id and upstream_id not in self._made:
            return upstream_id
        return f"call_{self._suffix}_{position[0]}_{position[1]}"

    def _close_calls(self) -> list[bytes]:
        frames = [_frame("TOOL_CALL_END", toolCallId=call_id) for call_id in self._open_calls]
        self._open_calls.clear()
        return frames

    def _step(self, attempt: int) -> list[bytes]:
        """From one attempt to the next."""
        if attempt == self._attempt:
            return []
        ended, self._attempt = self._end_step(), attempt
        return [*ended, _frame("STEP_STARTED", stepName=f"attempt {attempt}")]

    def _end_step(self) -> list[bytes]:
        ended, self._attempt = self._attempt, 0
        return [_frame("STEP_FINISHED", stepName=f"attempt {ended}")] if ended else []

    def _finished(self, event: End) -> bytes:
        """How a run ended; why, beyond what the protocol can say, is its result."""
        outcome: dict[str, Any] = {"type": "success"}
        if event.finish_reason == "cancelled":
            outcome = {"type": "cancelled"}
        elif self._made:
            outcome["pendingToolCallIds"] = self._made
        result = {"finishReason": event.finish_reason}
        if event.upstream_reason is not None:
            result["upstreamReason"] = event.upstream_reason
        if event.reason is not None:
            result["reason"] = event.reason
        usage = [self._usage(event.usage)]
        facts = {"result": result, "outcome": outcome, "usage": usage, "timestamp": event.ts}
        return _frame("RUN_FINISHED", **self._run, **facts)

    def _usage(self, counted: Usage) -> dict[str, Any]:
        """Token counts; `estimated` where the model server gave none."""
        counts: dict[str, Any] = {
            "model": self._model,
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

    def _id_at(self, position: Position) -> str:
        return f"msg_{self._suffix}_{position[0]}_{position[1]}"


def _frame(kind: str, **facts: Any) -> bytes:
    return b"data: %b\n\n" % _json({"type": kind, **facts})


def refuse(generation: Generation, error: HeadraceError) -> bytes:
    """The run is over for this client, whatever becomes of it."""
    return _frame("RUN_ERROR", message=error.message, code=error.code)


AG_UI = Dialect(
    name="ag_ui",
    encoder=AGUIEncoder,
    refuse=refuse,
    queued=queued,
    stateless=False,
    comes_back=False,
    hears_retry=False,
    says_reset=True,
)
