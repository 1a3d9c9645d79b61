"""What the frames of a reply say beside its text: what it has used, how it ended, what is missing of it."""

import json
from typing import Any

import msgspec
import pytest

from gateway.dialects.ai_sdk.frames import UIMessageEncoder
from gateway.dialects.openai.chat_frames import ChatEncoder, Options
from shared.events import End, Error, Event, Picture, Text, ToolCall, Usage
from shared.generation import Generation
from shared.parts import Part
from shared.position import Position

ALL = Usage(9, 5, 14, estimated=True, cached_tokens=4, reasoning_tokens=2)
SOME = Usage(9, 5, 14)
CALL = ToolCall(1, 0, id="c1", name="read", arguments='{"gate"')
LOST = Picture(ts=1, part=Part(type="image", lost="too_large"))


def generation(**options: Any) -> Generation:
    """One whose dialect has these."""
    said = msgspec.json.encode(Options(**options)).decode()
    names: dict[str, Any] = {"id": "gen_x", "owner": "o", "model": "m", "queue": "q", "dialect": "d"}
    return Generation(**names, state="running", created_ms=2500, dialect_options=said)


def frames(encoder: Any, *events: Event) -> list[Any]:
    """What is in each `data:`."""
    raw = b"".join(encoder.encode(Position(1, seq), event) for seq, event in enumerate(events))
    data = [line[6:] for line in raw.decode().splitlines() if line.startswith("data: ")]
    return [each if each == "[DONE]" else json.loads(each) for each in data]


def test_the_ai_sdks() -> None:
    """By its names for tokens."""
    *_, finish, done = frames(UIMessageEncoder(generation()), End(ts=2, finish_reason="stop", usage=ALL))
    counts = {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14}
    more = {"cachedInputTokens": 4, "reasoningTokens": 2, "estimated": True}
    assert (finish["messageMetadata"], done) == ({"usage": {**counts, **more}}, "[DONE]")
    *_, finish, _ = frames(UIMessageEncoder(generation()), End(ts=2, finish_reason="stop", usage=SOME))
    assert finish["messageMetadata"] == {"usage": counts}


def test_what_the_ai_sdk_hears_of_what_is_not_there() -> None:
    """A picture that is lost is named, and a call that broke off is never available."""
    error = Error(ts=2, code="upstream_broke", message="It broke.")
    said = frames(UIMessageEncoder(generation()), LOST, CALL, error)
    assert {"type": "data-picture-lost", "data": {"reason": "too_large"}} in said
    assert not [frame for frame in said if "available" in str(frame) or "tool-input-error" in str(frame)]


@pytest.mark.parametrize("asked", [True, False])
def test_openais_chat(asked: bool) -> None:
    """Usage for who asked for it, in a chunk of its own; before that it is null."""
    end = End(ts=2, finish_reason="stop", usage=ALL)
    text, last, *more = frames(ChatEncoder(generation(include_usage=asked)), Text(1, "a"), end)
    assert {frame["created"] for frame in (text, last)} == {2}
    assert [frame.get("usage", 0) for frame in (text, last)] == ([None, None] if asked else [0, 0])
    counts: dict[str, Any] = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    counts |= {"estimated": True}
    counts |= {"prompt_tokens_details": {"cached_tokens": 4}}
    counts |= {"completion_tokens_details": {"reasoning_tokens": 2}}
    told = [each if each == "[DONE]" else each["usage"] for each in more]
    assert told == ([counts, "[DONE]"] if asked else ["[DONE]"])


def test_openais_calls() -> None:
    """Its id and its name come once, its arguments piece by piece."""
    pieces = frames(ChatEncoder(generation()), CALL, ToolCall(2, 0, arguments=": 1}"))
    assert [piece["choices"][0]["delta"]["tool_calls"] for piece in pieces] == [
        [{"index": 0, "id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"gate"'}}],
        [{"index": 0, "function": {"arguments": ": 1}"}}],
    ]
