"""
Anthropic's message stream: `event:` is the type in `data:`, content in blocks that open and close in turn.

Events are those of https://docs.claude.com/en/docs/build-with-claude/streaming. A frame depends on what came
before, so a reader is fed from the log's first event on. As an extension the last frame of an event has its
position for an `id:`. There is no word for `reset`: a reader gets an `error` event, the end of its
stream, and who asks for what comes after that event gets the new answer from its `message_start` on.

One block is open at a time. A tool call that begins within another's arguments waits until those are whole.
"""

from typing import Any

import msgspec

from gateway.dialects.anthropic.errors import anthropic_error
from gateway.dialects.anthropic.message import Options, begun, call_id, signature, stopped, usage_of
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
)
from shared.failures import failure
from shared.generation import Generation
from shared.position import Position

#: Clients tell a failure by its status. Beyond this it is 200, and `ping` keeps the line alive.
_STATUS_WAITS_S = 2.0
_PING = b'event: ping\ndata: {"type":"ping"}\n\n'

_json = msgspec.json.Encoder().encode
_BEGUN: dict[type[Text | Reasoning], dict[str, str]] = {
    Text: {"type": "text", "text": ""},
    Reasoning: {"type": "thinking", "thinking": "", "signature": ""},
}
_DELTA: dict[type[Text | Reasoning], str] = {
    Text: '{"type":"text_delta","text":',
    Reasoning: '{"type":"thinking_delta","thinking":',
}


class _Call(msgspec.Struct, eq=False):
    """A tool call that has begun: its block once it has one, what was said there, and what waits for it."""

    id: str
    name: str
    index: int = -1
    said: list[str] = []
    waiting: list[str] = []

    @property
    def is_whole(self) -> bool:
        """Whether its input has all arrived, so far as can be seen."""
        self.said[:] = ["".join(self.said)]
        try:
            msgspec.json.decode(self.said[0])
        except (msgspec.DecodeError, RecursionError):
            return False
        return True


class MessagesEncoder(Encoder):
    """Event -> the events it stands for; holds which block is open."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._options = generation.options(Options)
        self._void()

    def _void(self) -> None:
        """All that was said is void."""
        self._begun = False
        #: Of the open block of text or thinking: its kind, and what its deltas begin with.
        self._kind: type[Text | Reasoning] | None = None
        self._delta = b""
        #: The number of the open block, or of the last that was.
        self._index = -1
        #: Calls whose blocks are not closed, in the order in which they began: the first has the open one.
        self._calls: list[_Call] = []
        #: The newest call of each of the model server's indices.
        self._newest: dict[int, _Call] = {}
        self._called = 0

    def encode(self, position: Position, event: Event) -> bytes:
        """All frames of one event; the last has its id."""
        if isinstance(event, Picture):
            return self.encode(position, event.as_text)
        at = b"id: %d-%d\n" % position
        if type(event) is self._kind:
            return at + self._delta + _json(event.text) + b"}}\n\n"
        frames = self._frames(event)
        if not frames:
            return b""
        frames[-1] = at + frames[-1]
        return b"".join(frames)

    def _frames(self, event: Event) -> list[bytes]:
        match event:
            case Start():
                return self._begin()
            case Reasoning() if not self._options.thinking:
                return self._begin()
            case Text() | Reasoning():
                kind = type(event)
                opened = [*self._begin(), *self._close(), self._open(_BEGUN[kind])]
                self._kind = kind
                head = f'{{"type":"content_block_delta","index":{self._index},"delta":{_DELTA[kind]}'
                self._delta = b"event: content_block_delta\ndata: " + head.encode()
                return [*opened, self._delta + _json(event.text) + b"}}\n\n"]
            case ToolCall():
                return [*self._begin(), *self._tool_call(event)]
            case End():
                ending = stopped(event.finish_reason, event.upstream_reason, self._options)
                delta = _frame("message_delta", {"delta": ending, "usage": usage_of(event.usage)})
                return [*self._begin(), *self._close(), delta, _frame("message_stop", {})]
            case Picture():
                return self._frames(event.as_text)
            case HandOver() | Audio():
                return []
            case Error():
                return [_error(failure(event.code, event.message))]
            case Reset():
                self._void()
                says = "The answer broke off and starts over: read on after this event."
                return [_error(failure(event.reason, says))]

    def _begin(self) -> list[bytes]:
        """The message's head, once: a log that ends before any worker took it has no `start`."""
        if self._begun:
            return []
        self._begun = True
        return [_frame("message_start", {"message": begun(self._generation, self._options)}), _PING]

    def _open(self, block: dict[str, Any]) -> bytes:
        self._index += 1
        return _frame("content_block_start", {"index": self._index, "content_block": block})

    def _close(self) -> list[bytes]:
        """End the open block, and all calls that wait for it."""
        frames: list[bytes] = []
        if self._kind is not None:
            if self._kind is Reasoning:
                frames.append(self._signed())
            self._kind = None
            frames.append(self._stop())
        while self._calls:
            frames += self._close_call()
        return frames

    def _close_call(self) -> list[bytes]:
        """End the open call, and say what the next one has waited with."""
        frames = [self._stop()]
        del self._calls[0]
        return frames + self._open_call(self._calls[0]) if self._calls else frames

    def _open_call(self, call: _Call) -> list[bytes]:
        opened = self._open({"type": "tool_use", "id": call.id, "name": call.name, "input": {}})
        call.index = self._index
        return [opened, *self._say(call)]

    def _tool_call(self, event: ToolCall) -> list[bytes]:
        frames: list[bytes] = []
        call = self._newest.get(event.index)
        # Some servers give every call the same index.
        begins = call is None or bool(event.id and event.id != call.id)
        if call is None or begins:
            if self._kind is not None:
                frames = self._close()
            call = _Call(event.id or call_id(self._generation, self._called), event.name or "")
            self._called += 1
            self._newest[event.index] = call
            self._calls.append(call)
            if self._calls[0] is call:
                frames += self._open_call(call)
        if event.arguments:
            call.waiting.append(event.arguments)
        if call.index >= 0:
            frames += self._say(call)
        if begins or call in self._calls[:1]:
            while len(self._calls) > 1 and self._calls[0].is_whole:
                frames += self._close_call()
        return frames

    def _say(self, call: _Call) -> list[bytes]:
        """What waits, in its block; also in one that text has closed, whose client puts both together."""
        if not call.waiting:
            return []
        said = "".join(call.waiting)
        call.waiting.clear()
        call.said.append(said)
        return [self._block_delta("input_json_delta", "partial_json", said, call.index)]

    def _block_delta(self, kind: str, field: str, value: str, index: int) -> bytes:
        return _frame("content_block_delta", {"index": index, "delta": {"type": kind, field: value}})

    def _signed(self) -> bytes:
        return self._block_delta("signature_delta", "signature", signature(self._generation), self._index)

    def _stop(self) -> bytes:
        return _frame("content_block_stop", {"index": self._index})


def _frame(kind: str, facts: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _json({"type": kind, **facts}))


def _error(error: HeadraceError) -> bytes:
    return b"event: error\ndata: %b\n\n" % _json(anthropic_error(error))


def _ping(state: str) -> bytes:
    """A sign of life that clients count, with the words of ours in a comment."""
    return f": hb {state}\n".encode() + _PING


MESSAGES = Dialect(
    name="anthropic_messages",
    encoder=MessagesEncoder,
    refuse=lambda generation, error: _error(error),
    beat=_ping,
    stateless=False,
    comes_back=False,
    hears_retry=False,
    says_reset=False,
    status_waits_s=_STATUS_WAITS_S,
)
