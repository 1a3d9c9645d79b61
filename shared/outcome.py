"""What a generation has produced: the answer, its cost, and what is recorded of both at its end."""

import msgspec

from shared import events, messages
from shared.events import CancelReason, End, Error, Event, Terminal, Usage
from shared.messages import Failure, Message


class MadeCall(msgspec.Struct):
    """A tool call of an answer, its pieces joined."""

    id: str
    name: str
    arguments: str = ""


class Outcome:
    """What a generation has produced: its events added up."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, MadeCall] = {}
        self.tokens = 0
        self.first_token_ms: int | None = None
        self.model: str | None = None
        #: Whether anything of the answer was written that a new start would repeat.
        self.begun = False

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._text)

    @property
    def tool_calls(self) -> list[MadeCall]:
        """The tool calls so far, in order."""
        return [call for _, call in sorted(self._calls.items())]

    def add(self, event: Event | None) -> None:
        """Take one more event into account; None, which could not be read, adds nothing."""
        match event:
            case events.Start():
                self.model = event.model
            case events.Text() | events.Reasoning():
                self.tokens += event.tokens
                self.begun = True
                said = self._text if isinstance(event, events.Text) else self._reasoning
                said.append(event.text)
                if self.first_token_ms is None:
                    self.first_token_ms = event.ts
            case events.ToolCall():
                self.begun = True
                call = self._calls.setdefault(event.index, MadeCall("", ""))
                call.id, call.name = event.id or call.id, event.name or call.name
                call.arguments += event.arguments
                if self.first_token_ms is None:
                    self.first_token_ms = event.ts
            case events.Reset():
                self._text.clear()
                self._reasoning.clear()
                self._calls.clear()
                self.tokens = 0
                self.begun = False

    def usage(self, prompt_tokens: int = 0) -> Usage:
        """Our own count, for when the upstream gave none."""
        return Usage(prompt_tokens, self.tokens, prompt_tokens + self.tokens, estimated=True)

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
        if self._reasoning:
            fields["reasoning"] = "".join(self._reasoning)
        if self._calls:
            fields["tool_calls"] = msgspec.json.encode(self.tool_calls).decode()
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
            model=self.model,
            usage=terminal.usage,
            reasoning=fields.get("reasoning"),
            error=failure,
        )
        return msgspec.json.encode({"fields": fields, "reply": messages.encode(reply).decode()})


def stopped_unbegun(reason: CancelReason) -> tuple[bytes, bytes]:
    """The terminal event, and the closing for an id of `{id}`, of what is stopped before it has begun."""
    outcome = Outcome()
    end = End(ts=events.now_ms(), finish_reason="cancelled", usage=outcome.usage(), reason=reason)
    return events.encode(end), outcome.closing("{id}", end)
