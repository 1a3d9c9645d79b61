"""What a generation has produced: its events added up."""

import json

from shared.events import End, Error, Reasoning, Reset, Start, Text, ToolCall, Usage
from shared.outcome import Outcome


def outcome(*events: Start | Text | Reasoning | ToolCall | Reset) -> Outcome:
    """*events*, added up."""
    added = Outcome()
    for event in events:
        added.add(event)
    return added


def test_text_and_tokens() -> None:
    """Text is joined, reasoning is not part of it, tokens count both."""
    added = outcome(Start(ts=1, model="m"), Reasoning(2, "hm"), Text(3, "a", 2), Text(4, "b"))
    assert (added.text, added.tokens, added.first_token_ms, added.begun) == ("ab", 4, 2, True)
    assert added.usage(10) == Usage(10, 4, 14, estimated=True)


def test_nothing_yet() -> None:
    """A start is nothing of the answer."""
    assert not outcome(Start(ts=1, model="m")).begun


def test_reset() -> None:
    """A reset voids what came before it; the moment of the first token stays."""
    added = outcome(Text(1, "a"), ToolCall(2, 0, id="c"), Reset(3), Text(4, "b"))
    assert (added.text, added.tokens, added.first_token_ms) == ("b", 1, 1)
    assert not added.tool_calls
    assert not outcome(Text(1, "a"), Reset(2)).begun


def test_closing() -> None:
    """What ends it decides the state; the reply keeps what was said."""
    for terminal, state in (
        (End(ts=9, finish_reason="stop"), "done"),
        (End(ts=9, finish_reason="cancelled", reason="user"), "cancelled"),
        (Error(ts=9, code="upstream_broke", message="It broke."), "failed"),
    ):
        closing = json.loads(outcome(Text(1, "a")).closing("gen_1", terminal, "1-2"))
        assert closing["fields"]["state"] == state
        assert closing["fields"]["text"] == "a"
        assert closing["fields"]["position"] == "1-2"
        reply = json.loads(closing["reply"])
        assert (reply["role"], reply["content"], reply["state"]) == ("assistant", "a", state)
