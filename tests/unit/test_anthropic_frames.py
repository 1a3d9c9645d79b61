"""Anthropic's stream follows from the log alone, and its clients make the whole answer of it."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.anthropic.frames import MESSAGES
from gateway.dialects.anthropic.message import whole
from shared.events import End, Event, Reasoning, Start, Text, ToolCall, Usage
from shared.failures import UpstreamInvalid
from shared.generation import Generation
from shared.messages import MadeCall
from shared.outcome import Outcome
from shared.position import Position

GENERATION = Generation(
    id="gen_x",
    owner="o",
    state="done",
    model="m",
    queue="m",
    dialect=MESSAGES.name,
    dialect_options='{"thinking":true,"input_tokens":7,"stop_sequences":["END"]}',
    created_ms=1000,
)
END = End(ts=9, finish_reason="tool_calls", usage=Usage(10, 3, 13, cached_tokens=4, reasoning_tokens=2))

texts = st.builds(Text, st.just(1), st.text(min_size=1, max_size=4))
inputs = st.dictionaries(st.sampled_from("ab"), st.integers() | st.text(max_size=3), max_size=2).map(
    lambda value: json.dumps(value)
)


@st.composite
def calls(draw: st.DrawFn) -> list[Event]:
    """Up to three calls at once, each in pieces: one after another, or all mixed."""
    pieces: list[list[Event]] = []
    for index in range(draw(st.integers(0, 3))):
        given = draw(inputs)
        cut = draw(st.integers(0, len(given)))
        first = ToolCall(1, index, id=f"call_{index}", name=f"tool_{index}", arguments=given[:cut])
        pieces.append([first, ToolCall(1, index, arguments=given[cut:])])
    mixed: list[Event] = []
    while any(pieces):
        mixed.append(draw(st.sampled_from([each for each in pieces if each])).pop(0))
    return mixed


logs = st.builds(
    lambda thought, before, made, after: [Start(ts=1, model="m"), *thought, *before, *made, *after, END],
    st.lists(st.builds(Reasoning, st.just(1), st.text(min_size=1)), max_size=2),
    st.lists(texts, max_size=3),
    calls(),
    st.lists(texts, max_size=2),
)


def encoded(log: list[Event]) -> list[bytes]:
    """What it makes of each event."""
    encoder = MESSAGES.encoder(GENERATION)
    return [encoder.encode(Position(1, seq), event) for seq, event in enumerate(log)]


def said(raw: bytes) -> list[dict[str, Any]]:
    """All frames; each `event:` is its type."""
    frames = []
    for block in raw.split(b"\n\n")[:-1]:
        lines = dict(line.split(b": ", 1) for line in block.split(b"\n"))
        frames.append(json.loads(lines[b"data"]))
        assert frames[-1]["type"].encode() == lines[b"event"]
    return frames


def message_of(frames: list[dict[str, Any]]) -> dict[str, Any]:
    """What a client puts together, which takes it that one block is open at a time."""
    message: dict[str, Any] = {}
    opened, given = False, ""
    for frame in frames:
        match frame["type"]:
            case "message_start":
                message = frame["message"]
            case "content_block_start":
                assert not opened and frame["index"] == len(message["content"])
                message["content"].append(frame["content_block"])
                opened, given = True, ""
            case "content_block_delta":
                assert opened and frame["index"] == len(message["content"]) - 1
                [(field, value)] = [each for each in frame["delta"].items() if each[0] != "type"]
                if field == "partial_json":
                    given += value
                else:
                    message["content"][-1][field] += value
            case "content_block_stop":
                assert opened
                opened = False
                if given:
                    message["content"][-1]["input"] = json.loads(given)
            case "message_delta":
                message |= {name: frame["delta"][name] for name in ("stop_reason", "stop_sequence")}
                message["usage"] = frame["usage"]
    assert not opened
    assert [frame["type"] for frame in frames][-2:] == ["message_delta", "message_stop"]
    return message


@given(log=logs)
def test_streamed_as_whole(log: list[Event]) -> None:
    """A stream's message is the whole answer's, however the pieces of its calls are mixed."""
    outcome = Outcome()
    for event in log:
        outcome.add(event)
    fields = json.loads(outcome.closing("gen_x", END))["fields"]
    record = msgspec.structs.replace(
        GENERATION,
        **{name: fields[name] for name in ("text", "tool_calls", "usage") if name in fields},
        finish_reason="tool_calls",
        reasoning=fields.get("reasoning", ""),
    )
    assert message_of(said(b"".join(encoded(log)))) == msgspec.to_builtins(whole(record))


@given(log=logs)
def test_ids_are_those_of_the_log(log: list[Event]) -> None:
    """The last of an event's frames has its position, so that reading may go on after it."""
    for seq, raw in enumerate(encoded(log)):
        blocks = raw.split(b"\n\n")[:-1]
        assert [block.startswith(b"id: 1-%d\n" % seq) for block in blocks] == [
            *[False] * (len(blocks) - 1),
            *[True] * bool(blocks),
        ]


def test_a_call_waits_until_the_one_before_is_whole() -> None:
    """Calls come one after the other, the first at once, though their pieces are mixed."""
    raw = encoded(
        [
            ToolCall(1, 0, id="a", name="one", arguments='{"x":'),
            ToolCall(1, 1, id="b", name="two", arguments='{"y":'),
            ToolCall(1, 1, arguments="2}"),
            ToolCall(1, 0, arguments="1}"),
        ]
    )
    kinds = [[frame["type"].removeprefix("content_block_") for frame in said(each)] for each in raw]
    assert kinds == [
        ["message_start", "ping", "start", "delta"],
        [],
        [],
        ["delta", "stop", "start", "delta"],
    ]


def test_reasoning_is_told_to_those_who_ask() -> None:
    """Without `thinking` there is no such block: clients read the first one as the answer."""
    generation = msgspec.structs.replace(GENERATION, dialect_options="{}", reasoning="Hm.", text="Yes")
    encoder = MESSAGES.encoder(generation)
    log: list[Event] = [Start(ts=1, model="m"), Reasoning(1, "Hm."), Text(1, "Yes"), END]
    raw = b"".join(encoder.encode(Position(1, seq), event) for seq, event in enumerate(log))
    assert message_of(said(raw))["content"] == [{"type": "text", "text": "Yes"}]
    assert whole(generation).content == [{"type": "text", "text": "Yes"}]


def test_a_stop_sequence() -> None:
    """Where the model server says that it was one, it is said on, and which, if there is only one."""
    end = End(ts=1, finish_reason="stop", upstream_reason="stop_sequence", usage=Usage(5, 1, 6))
    delta = said(encoded([end])[0])[-2]
    assert delta["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}


def test_usage_without_what_was_cached() -> None:
    """Tokens from a cache are counted apart, those of reasoning within."""
    usage = said(encoded([END])[0])[-2]["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (6, 4, 3)
    assert usage["output_tokens_details"] == {"thinking_tokens": 2}


def test_a_call_that_is_no_object() -> None:
    """A whole answer has no word for it, so it is an error and not an empty input."""
    call = MadeCall("c", "tool", "[1")
    record = msgspec.structs.replace(GENERATION, tool_calls=msgspec.json.encode([call]).decode())
    with pytest.raises(UpstreamInvalid):
        whole(record)
