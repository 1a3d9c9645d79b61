"""Native frames: one well-formed SSE block an event, whatever the event says."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.native import frames as native
from gateway.dialects.native.frames import NATIVE
from gateway.edge.timestamp import iso
from shared import events
from shared.events import End, Error, Event, Reasoning, Reset, Start, Text, ToolCall, Usage
from shared.generation import Generation
from shared.position import Position

AT = Position(2, 7)
TS = 1_763_800_000_123


def generation(conversation: str | None = "c1", model: str = "local") -> Generation:
    """One that is being encoded."""
    return Generation(
        id="gen_1",
        owner="o",
        state="running",
        model=model,
        queue="q",
        dialect="native",
        conversation=conversation,
        created_ms=0,
    )


def decoded(frame: bytes) -> tuple[str | None, dict[str, Any]]:
    """A frame's id and data. Fails when it is not one block of `id:` and `data:`."""
    *head, data = frame.removesuffix(b"\n\n").decode().split("\n")
    assert frame.endswith(b"\n\n")
    assert len(head) <= 1
    assert data.startswith("data: ")
    return (head[0].removeprefix("id: ") if head else None), json.loads(data.removeprefix("data: "))


text = st.text()
all_events = st.one_of(
    st.builds(Start, ts=st.just(TS), model=text),
    st.builds(Text, st.just(TS), text, st.integers(1, 9)),
    st.builds(Reasoning, st.just(TS), text),
    st.builds(ToolCall, st.just(TS), st.integers(0, 9), text | st.none(), text | st.none(), text),
    st.builds(Reset, st.just(TS), text),
    st.builds(End, ts=st.just(TS), finish_reason=text, reason=text | st.none()),
    st.builds(Error, ts=st.just(TS), code=text, message=text, retryable=st.booleans()),
)


@given(event=all_events, model=text)
def test_any_event_is_one_block(event: Event, model: str) -> None:
    """No text can break out of its frame; id, type, conversation and time are always there."""
    frame_id, data = decoded(NATIVE.encoder(generation(model=model)).encode(AT, event))
    assert frame_id == "2-7"
    assert data["type"] == {"text": "chunk"}.get(kind(event), kind(event))
    assert data["conversation_id"] == "c1"
    assert datetime.fromisoformat(data["timestamp"]) == datetime.fromtimestamp(TS / 1000, UTC)
    if isinstance(event, Text | Reasoning):
        assert data["content"] == event.text
        assert data["metadata"] == {"model": model, "tokens": event.tokens}


@given(event=all_events)
def test_events_survive_the_log(event: Event) -> None:
    """What is written to a log is read from it again."""
    assert events.decode(events.encode(event)) == event


def kind(event: Event) -> str:
    """An event's type in the log."""
    name: str = json.loads(events.encode(event))["type"]
    return name


def test_no_conversation() -> None:
    """A generation outside any conversation says null."""
    _, data = decoded(NATIVE.encoder(generation(None)).encode(AT, Text(TS, "a")))
    assert data["conversation_id"] is None


def test_the_fast_chunk_equals_the_plain_frame() -> None:
    """A chunk's prepared bytes are those that its fields would give."""
    encoder = native.NativeEncoder(generation())
    fast = encoder.encode(AT, Text(TS, "a", 3))
    assert fast == encoder.frame("id: 2-7\n", "chunk", "a", TS, {"model": "local", "tokens": 3})


def test_queued_has_no_id() -> None:
    """Nothing may resume from a control frame."""
    frame_id, data = decoded(native.queued(generation(), 3))
    assert frame_id is None
    assert (data["type"], data["metadata"]) == ("queued", {"position": 3})


@pytest.mark.parametrize(("estimated", "counts"), [(True, {"estimated": True}), (False, {})])
def test_usage(estimated: bool, counts: dict[str, bool]) -> None:
    """Our own count is marked."""
    end = End(ts=TS, finish_reason="stop", usage=Usage(1, 2, 3, estimated))
    expected = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert native.usage(end) == {**expected, **counts}


@given(ts=st.lists(st.integers(0, 4_000_000_000_000), max_size=5))
def test_timestamps(ts: list[int]) -> None:
    """Every moment is written to the millisecond, whatever was written before."""
    for moment in ts:
        written = datetime.fromisoformat(iso(moment))
        assert round(written.timestamp() * 1000) == moment
