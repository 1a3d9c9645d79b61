"""Frames of OpenAI's dialects: they follow from the log alone, whoever encodes it and from where."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.openai.chat_frames import ChatEncoder
from gateway.dialects.openai.response_frames import ResponsesEncoder
from gateway.dialects.openai.response_object import ResponseObject
from gateway.relay.dialect import Encoder
from shared.events import End, Error, Event, Reasoning, Reset, Start, Text, ToolCall, Usage
from shared.generation import Generation
from shared.position import Position

RESPONSE = ResponseObject(id="resp_x", created_at=1, model="m")
GENERATION = Generation(
    id="gen_x",
    owner="o",
    state="running",
    model="m",
    queue="m",
    dialect="openai_responses",
    dialect_options=msgspec.json.encode(RESPONSE).decode(),
    created_ms=1000,
)

middles = st.lists(
    st.one_of(
        st.builds(Text, st.just(1), st.text(min_size=1)),
        st.builds(Reasoning, st.just(1), st.text(min_size=1)),
        st.builds(
            ToolCall,
            st.just(1),
            st.integers(0, 2),
            id=st.none() | st.just("call"),
            name=st.none() | st.just("name"),
            arguments=st.text(max_size=3),
        ),
        st.just(Reset(ts=1)),
    ),
    max_size=12,
)
ends = st.one_of(
    st.builds(
        lambda reason: End(ts=5000, finish_reason=reason, usage=Usage(1, 2, 3)),
        st.sampled_from(["stop", "length", "content_filter", "tool_calls", "cancelled", "odd"]),
    ),
    st.just(Error(ts=5000, code="upstream_broke", message="It broke.")),
)
logs = st.builds(
    lambda start, middle, end: [*start, *middle, end],
    st.sampled_from([[Start(ts=1, model="m")], []]),
    middles,
    ends,
)


def encoded(make: Callable[[Generation], Encoder], log: list[Event]) -> list[bytes]:
    """What the encoder that *make* gives makes of each event."""
    encoder = make(GENERATION)
    return [encoder.encode(Position(1, seq), event) for seq, event in enumerate(log)]


def frames_of(raw: bytes) -> list[bytes]:
    """Single frames."""
    assert not raw or raw.endswith(b"\n\n")
    return raw.split(b"\n\n")[:-1]


def data_of(frame: bytes) -> Any:
    """What a frame says."""
    return json.loads(frame.partition(b"data: ")[2])


@given(log=logs)
def test_numbers_follow_from_the_log(log: list[Event]) -> None:
    """Numbers are dense, and whoever has read up to k gets exactly the frames after it."""
    frames = [f for f in frames_of(b"".join(encoded(ResponsesEncoder, log))) if f != b"data: [DONE]"]
    numbers = [data_of(frame)["sequence_number"] for frame in frames]
    assert numbers == list(range(len(frames)))
    for k in range(len(frames) + 1):
        rest = frames_of(b"".join(encoded(partial(ResponsesEncoder, after=k), log)))
        assert [frame for frame in rest if frame != b"data: [DONE]"] == frames[k + 1 :]
        assert rest[-1] == b"data: [DONE]"


@given(log=logs)
def test_every_item_is_added_filled_and_done(log: list[Event]) -> None:
    """After the last reset, deltas add up to what items and the final response hold; no two share an id."""
    frames = frames_of(b"".join(encoded(ResponsesEncoder, log)))
    said = [data_of(frame) for frame in frames if frame != b"data: [DONE]"]
    assert all(frame.startswith(b"event: ") for frame in frames if frame != b"data: [DONE]")
    for frame, event in zip([f for f in frames if f != b"data: [DONE]"], said, strict=True):
        assert frame.startswith(f"event: {event['type']}\n".encode())
    starts = [i for i, event in enumerate(said) if event["type"] == "response.created"]
    said = said[starts[-1] :]
    assert said[1]["type"] == "response.in_progress"
    final = said[-1]["response"]
    texts: dict[int, str] = {}
    for event in said:
        if event["type"] == "response.output_item.added":
            assert event["output_index"] == len(texts)
            texts[event["output_index"]] = ""
        elif event["type"].endswith(".delta"):
            texts[event["output_index"]] += event["delta"]
    whole = [
        item["arguments"] if item["type"] == "function_call" else item["content"][0]["text"]
        for item in final["output"]
    ]
    assert whole == list(texts.values())
    assert len({item["id"] for item in final["output"]}) == len(whole)
    done = [event["item"] for event in said if event["type"] == "response.output_item.done"]
    if final["status"] != "failed":
        assert sorted(done, key=lambda item: item["id"]) == sorted(
            final["output"], key=lambda item: item["id"]
        )
    assert final["usage"]["total_tokens"] == log[-1].usage.total_tokens  # type: ignore[union-attr]


@given(log=logs)
def test_chunks_can_be_taken_up_anywhere(log: list[Event]) -> None:
    """An encoder that begins in the middle makes the same chunks; an event's last frame alone has its id."""
    chunks = encoded(ChatEncoder, log)
    for seq, event in enumerate(log):
        assert ChatEncoder(GENERATION).encode(Position(1, seq), event) == chunks[seq]
        frames = frames_of(chunks[seq])
        ids = [frame.startswith(b"id: ") for frame in frames]
        wanted = [False] * (len(frames) - 1) + [not isinstance(event, Reset)]
        assert ids == wanted
    last = frames_of(chunks[-1])
    assert last[-1].endswith(b"data: [DONE]")
    if isinstance(log[-1], Error):
        assert set(data_of(last[0])["error"]) == {"message", "type", "param", "code"}
    else:
        reason = data_of(last[0])["choices"][0]["finish_reason"]
        assert reason in {"stop", "length", "tool_calls", "content_filter"}
