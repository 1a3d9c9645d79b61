"""The native dialect's frames and headers, byte for byte."""

import json
import re

from tests.kit.chat_client import ChatClient, script
from tests.kit.stack import Stack
from worker.backends.script import expected_text

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def test_a_stream_is_start_chunks_end_with_dense_ids(chat: ChatClient) -> None:
    """Frames are `start`, `chunk`…, `end` with ids 1-0, 1-1, … and no event lines."""
    reader = await chat.ask(script(length=5, rate=0), conversation_id="c1")
    assert [frame.type for frame in reader.frames] == ["start", *["chunk"] * 5, "end"]
    assert reader.ids == [f"1-{i}" for i in range(7)]
    assert b"event:" not in reader.raw
    assert reader.text == expected_text({"length": 5})


async def test_start_names_generation_conversation_and_model(chat: ChatClient) -> None:
    """The `start` frame has exactly the protocol's fields, in its order."""
    reader = await chat.ask(script(length=1), conversation_id="c1")
    start = reader.frames[0].data
    assert TIMESTAMP.fullmatch(start.pop("timestamp"))
    assert start == {
        "type": "start",
        "content": "",
        "conversation_id": "c1",
        "generation_id": reader.generation_id,
        "metadata": {"model": "scripted"},
    }


async def test_chunks_carry_content_and_tokens(chat: ChatClient) -> None:
    """A `chunk` frame has exactly the protocol's fields."""
    reader = await chat.ask(script(text="Hello world"), conversation_id="c1")
    chunk = reader.frames[1].data
    assert TIMESTAMP.fullmatch(chunk.pop("timestamp"))
    assert chunk == {
        "type": "chunk",
        "content": "Hello",
        "conversation_id": "c1",
        "metadata": {"model": "scripted", "tokens": 1},
    }


async def test_end_carries_finish_reason_and_usage(chat: ChatClient) -> None:
    """The `end` frame says why it ended and what it cost."""
    reader = await chat.ask(script(length=4), conversation_id="c1")
    end = reader.end.data
    assert TIMESTAMP.fullmatch(end.pop("timestamp"))
    usage = end["metadata"].pop("usage")
    assert usage["completion_tokens"] == 4
    assert usage["total_tokens"] == usage["prompt_tokens"] + 4
    assert end == {
        "type": "end",
        "content": "",
        "conversation_id": "c1",
        "metadata": {"finish_reason": "stop"},
    }


async def test_a_stream_is_never_cached_or_buffered(chat: ChatClient) -> None:
    """Headers keep proxies from caching, transforming and gathering frames, and say where to resume."""
    reader = await chat.ask(conversation_id="c1")
    headers = reader.headers
    assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert headers["Cache-Control"] == "private, no-cache, no-transform"
    assert headers["X-Accel-Buffering"] == "no"
    assert int(headers["X-Heartbeat-Ms"]) > 0
    assert re.fullmatch(r"gen_[0-9a-f]{32}", headers["X-Generation-Id"])
    assert headers["X-Conversation-Id"] == "c1"
    assert headers["Location"] == f"/api/chat/{reader.generation_id}/stream"


async def test_a_stream_begins_with_retry(chat: ChatClient) -> None:
    """The first frame says how long to wait before reconnecting; no frame is without data."""
    reader = await chat.ask()
    assert reader.raw.startswith(b"retry: 1000\nid: 1-0\ndata: {")


async def test_a_conversation_is_made_up_where_none_is_named(chat: ChatClient) -> None:
    """Without `conversation_id` the answer names a new conversation."""
    reader = await chat.ask()
    conversation_id = reader.headers["X-Conversation-Id"]
    assert conversation_id.startswith("conv_")
    assert {frame.data["conversation_id"] for frame in reader.frames} == {conversation_id}


async def test_reasoning_and_tool_calls_have_frames_of_their_own(chat: ChatClient) -> None:
    """Reasoning comes apart from the answer, tool calls in pieces with index, id, name and arguments."""
    reader = await chat.ask(script(length=1, reasoning=2, tool_call=True))
    assert [f.type for f in reader.frames] == [
        *("start", "reasoning", "reasoning", "chunk"),
        *["tool_call"] * 3,
        "end",
    ]
    calls = [f.data["metadata"]["tool_call"] for f in reader.frames if f.type == "tool_call"]
    assert (calls[0]["id"], calls[0]["name"]) == ("call_1", "read_level")
    assert json.loads("".join(call["arguments"] for call in calls)) == {"gate": "upper"}
    assert reader.end.data["metadata"]["finish_reason"] == "tool_calls"
    assert reader.text == expected_text({"length": 1})


async def test_text_that_could_break_frames_arrives_unchanged(chat: ChatClient) -> None:
    """Line breaks, separators, quotes, emoji and CJK in an answer stay inside their frame."""
    text = 'a\n\nb\r\nc "quoted" \\ \u2028\u2029 data: x\nid: 9-9 \U0001f30a 水車 \x85 end'
    reader = await chat.ask(script(text=text))
    assert reader.text == text


async def test_an_error_carries_message_code_and_retryable(stack: Stack, chat: ChatClient) -> None:
    """A failed generation ends in one `error` frame for people and for programs."""
    reader = await chat.ask(script(length=3, fail_after=2, fail_code="upstream_invalid"), model="plain")
    error = reader.end.data
    assert error["type"] == "error"
    assert error["content"] == "The model server sent something that is not an answer."
    assert error["metadata"]["code"] == "upstream_invalid"
    assert error["metadata"]["retryable"] is True
    assert error["metadata"]["usage"]["completion_tokens"] == 2
