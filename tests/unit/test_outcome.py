"""What a generation has produced: its events added up."""

import json
from typing import Any

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


def test_a_new_id_begins_a_new_call() -> None:
    """Also under an index that there was before."""
    pieces = [ToolCall(1, 0, "a", "f", "{"), ToolCall(2, 0, arguments="}"), ToolCall(3, 0, "b", "g", "[]")]
    made = outcome(*pieces, ToolCall(4, 0, "b", arguments=" ")).tool_calls
    assert [(call.id, call.name, call.arguments) for call in made] == [("a", "f", "{}"), ("b", "g", "[] ")]


def test_calls_are_kept_with_their_places() -> None:
    """Each call stands in the stored reply after as many characters as came before it, resets left out."""
    added = outcome(
        Text(1, "void"),
        Reset(2),
        ToolCall(3, 0, "a", "f", "{}"),
        Text(4, "🙂 ok"),
        ToolCall(5, 1, "b", "g", "["),
        Text(6, "."),
        ToolCall(7, 1, arguments="]"),
    )
    reply = json.loads(json.loads(added.closing("gen_1", End(ts=9, finish_reason="stop")))["reply"])
    assert [(call["id"], call["arguments"], call["at"]) for call in reply["tool_calls"]] == [
        ("a", "{}", 0),
        ("b", "[]", 4),
    ]


def test_how_long_it_reasoned() -> None:
    """From the first reasoning to what came after it, or to the end; not at all where it did not."""
    told: list[tuple[list[Any], int | None]] = [
        ([Reasoning(2, "a"), Reasoning(5, "b"), Text(9, "c"), Reasoning(11, "d")], 7),
        ([Reasoning(2, "a"), ToolCall(4, 0, "a", "f")], 2),
        ([Text(1, "a"), Reasoning(2, "a")], 18),
        ([Reasoning(2, "a"), Reset(3), Text(4, "b")], None),
    ]
    for events, spent in told:
        closing = json.loads(outcome(*events).closing("gen_1", End(ts=20, finish_reason="length")))
        reply = json.loads(closing["reply"])
        assert reply.get("reasoning_ms") == spent
        assert reply["finish_reason"] == closing["fields"]["finish_reason"] == "length"


def test_all_that_is_recorded() -> None:
    """For how long it reasoned, in whose word it failed, and when to come back."""
    added = outcome(Reasoning(1, "hm"), Text(5, "a"), Text(9, "b"))
    error = Error(
        ts=10, code="upstream_rate_limited", message="No.", retry_after_s=7, upstream_reason="overloaded"
    )
    closing = json.loads(added.closing("gen_1", error, "1-3"))
    fields, reply = closing["fields"], json.loads(closing["reply"])
    recorded = [fields[name] for name in ("retry_after_s", "upstream_reason", "reasoning")]
    assert recorded == ["7", "overloaded", "hm"]
    assert (reply["reasoning"], reply["reasoning_ms"], reply["upstream_reason"]) == ("hm", 4, "overloaded")


def test_what_is_told_again_is_not_paid_again() -> None:
    """What a reset voids was paid; what comes after it because it was lost on the way was paid once."""
    for told_again, spent in ((False, 10), (True, 5)):
        added = outcome(Text(1, "a", 5), Reset(2, told_again=told_again), Text(3, "a", 5))
        assert added.spent == spent
