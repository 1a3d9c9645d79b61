"""What a generation has produced: the answer, its cost, and what is recorded of both at its end."""

from typing import Any

import msgspec

from shared import events, messages
from shared.events import CancelReason, End, Error, Event, Terminal, Usage
from shared.messages import Failure, MadeCall, Message
from shared.parts import Part


class Outcome:
    """What a generation has produced: its events added up."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._chars = 0
        self._reasoning: list[str] = []
        #: All calls in the order in which they began, and the newest of each index.
        self._calls: list[MadeCall] = []
        #: Its pictures, in order.
        self.parts: list[Part] = []
        self._newest: dict[int, MadeCall] = {}
        #: Their arguments, joined only when asked for: a long call comes in tens of thousands.
        self._pieces: dict[int, list[str]] = {}
        self._reasoned_from: int | None = None
        self._reasoned_until: int | None = None
        self.tokens = 0
        self.first_token_ms: int | None = None
        self.model: str | None = None
        #: Whether the text of the reply that this one continues is there, and what that has cost.
        self.given = False
        self._before: Usage | None = None
        #: Whether anything of the answer was written that a new start would repeat.
        self.begun = False
        #: The upstreams that answered, in turn, and what was billed before the last of them.
        self.upstreams: list[str] = []
        self.billed = Usage()
        self.cost: float | None = None
        self._voided = self._spent_before = 0

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._text)

    @property
    def reasoned(self) -> bool:
        """Whether there is any reasoning."""
        return bool(self._reasoning)

    @property
    def spent(self) -> int:
        """Tokens of all that was written, what a `reset` voided included."""
        return self.tokens + self._voided

    @property
    def spent_since(self) -> int:
        """Of them, those of the last upstream, which no bill has yet."""
        return self.spent - self._spent_before

    @property
    def tool_calls(self) -> list[MadeCall]:
        """The tool calls so far, in order."""
        for call in self._calls:
            pieces = self._pieces[id(call)]
            call.arguments = "".join(pieces)
            pieces[:] = [call.arguments]
        return self._calls

    def add(self, event: Event | None) -> None:
        """Take one more event into account; None, which could not be read, adds nothing."""
        match event:
            case events.Start():
                self.model = event.model
                self._before = event.before
            case events.Text():
                self._text.append(event.text)
                self._chars += len(event.text)
                self.tokens += event.tokens
                self._until(event.ts)
                if event.given:
                    self.given = True
                else:
                    self._spoke(event.ts)
            case events.Reasoning():
                self._reasoning.append(event.text)
                self.tokens += event.tokens
                if self._reasoned_from is None:
                    self._reasoned_from = event.ts
                if not event.given:
                    self._spoke(event.ts)
            case events.ToolCall():
                self._add_call(event)
                self._until(event.ts)
                self._spoke(event.ts)
            case events.Picture():
                self.parts.append(msgspec.structs.replace(event.part, at=self._chars))
                self._until(event.ts)
                self._spoke(event.ts)
            case events.Reset(told_again=told_again):
                self._text.clear()
                self.parts.clear()
                self._chars = 0
                self._reasoning.clear()
                self._calls.clear()
                self._newest.clear()
                self._pieces.clear()
                self._reasoned_from = self._reasoned_until = None
                if not told_again:
                    self._voided += self.tokens
                self.tokens = 0
                self.given = self.begun = False
            case events.HandOver():
                if self.upstreams[-1:] != [event.upstream]:
                    self.upstreams.append(event.upstream)
                self.billed, self.cost, self._spent_before = event.billed, event.cost, self.spent

    def _spoke(self, ts: int) -> None:
        self.begun = True
        if self.first_token_ms is None:
            self.first_token_ms = ts

    def _until(self, ts: int) -> None:
        if self._reasoned_from is not None and self._reasoned_until is None:
            self._reasoned_until = ts

    def _add_call(self, piece: events.ToolCall) -> None:
        call = self._newest.get(piece.index)
        # A new id begins a new call, also under an index that there was before.
        if call is None or (piece.id and call.id and piece.id != call.id):
            call = self._newest[piece.index] = MadeCall("", "", at=self._chars)
            self._calls.append(call)
            self._pieces[id(call)] = []
        call.id, call.name = piece.id or call.id, piece.name or call.name
        self._pieces[id(call)].append(piece.arguments)

    def usage(self, prompt_tokens: int = 0) -> Usage:
        """Our own count, for when the upstream gave none."""
        return Usage(prompt_tokens, self.tokens, prompt_tokens + self.tokens, estimated=True)

    def so_far(self) -> dict[str, Any]:
        """
        What the terminal event of one that nobody goes on with says that it cost, as `Producer.spent` says it
        of others: all that its log knows.
        """
        usage, since = self.usage(), self.spent_since
        billed = self.billed.plus(Usage(0, since, since, estimated=True))
        return {
            "usage": usage,
            "billed": billed if billed.total_tokens > usage.total_tokens else None,
            "cost": self.cost,
            "upstreams": self.upstreams,
        }

    def closing(self, generation_id: str, terminal: Terminal, position: str = "") -> bytes:
        """What `lua/append.lua` and `lua/close.lua` record when *terminal* ends the log."""
        failure = None
        fields: dict[str, str] = {"text": self.text, "usage": msgspec.json.encode(terminal.usage).decode()}
        match terminal:
            case End():
                fields["state"] = "cancelled" if terminal.finish_reason == "cancelled" else "done"
                fields["finish_reason"] = terminal.finish_reason
            case Error():
                failure = Failure(terminal.code, terminal.message)
                fields |= {"state": "failed", "error_code": terminal.code, "error_message": terminal.message}
                fields["finish_reason"] = "error"
                if terminal.retry_after_s is not None:
                    fields["retry_after_s"] = str(terminal.retry_after_s)
        if terminal.upstream_reason is not None:
            fields["upstream_reason"] = terminal.upstream_reason
        if terminal.upstreams:
            fields["upstreams"] = msgspec.json.encode(terminal.upstreams).decode()
        if terminal.billed is not None:
            fields["billed"] = msgspec.json.encode(terminal.billed).decode()
        if terminal.cost is not None:
            fields["cost"] = repr(terminal.cost)
        if self._reasoning:
            fields["reasoning"] = "".join(self._reasoning)
        if self._calls:
            fields["tool_calls"] = msgspec.json.encode(self.tool_calls).decode()
        if self.parts:
            fields["parts"] = msgspec.json.encode(self.parts).decode()
        if self.first_token_ms is not None:
            fields["first_token_ms"] = str(self.first_token_ms)
        if position:
            fields["position"] = position
        reply = Message(
            role="assistant",
            generation_id=generation_id,
            content=self.text,
            ts=terminal.ts,
            state=fields["state"],
            finish_reason=fields["finish_reason"],
            upstream_reason=terminal.upstream_reason,
            model=self.model,
            usage=terminal.usage if self._before is None else terminal.usage.plus(self._before),
            reasoning=fields.get("reasoning"),
            reasoning_ms=self._reasoning_ms(terminal.ts),
            tool_calls=self.tool_calls or None,
            parts=self.parts or None,
            error=failure,
        )
        # A continuation without a word of its own leaves the reply as it was: cut, and still to be continued.
        said = self.begun or fields["state"] == "done"
        return msgspec.json.encode({"fields": fields, "reply": messages.encode(reply).decode(), "said": said})

    def _reasoning_ms(self, ended: int) -> int | None:
        if self._reasoned_from is None:
            return None
        until = ended if self._reasoned_until is None else self._reasoned_until
        return max(0, until - self._reasoned_from)


def stopped_unbegun(reason: CancelReason) -> tuple[bytes, bytes]:
    """The terminal event, and the closing for an id of `{id}`, of what is stopped before it has begun."""
    outcome = Outcome()
    end = End(ts=events.now_ms(), finish_reason="cancelled", usage=outcome.usage(), reason=reason)
    return events.encode(end), outcome.closing("{id}", end)
