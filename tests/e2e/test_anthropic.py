"""Messages of a running `headrace up`, as Anthropic's Python client and plain readers see them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

from tests.e2e.system import ABANDON_GRACE_S, LEASE_S, System
from tests.e2e.test_leaving_clients import SLACK_S
from tests.e2e.test_leaving_clients import asked as seen_of
from tests.kit.anthropic_streams import (
    MESSAGES,
    asked,
    blocks_of,
    data_of,
    id_of,
    message_id_of,
    rest,
    text_of,
    whole,
)
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from worker.backends.script import expected_text

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

TEXT = expected_text({"length": 20})
TOOL: Any = {
    "name": "read_level",
    "description": "Reads the level of a gate.",
    "input_schema": {"type": "object", "properties": {"gate": {"type": "string"}}},
}
THINKING: Any = {"type": "enabled", "budget_tokens": 2048}
LIFE = ["message_start", "content_block_start"]


async def streamed(anthropic: AsyncAnthropic, message: Any = "Hello", **fields: Any) -> tuple[list[Any], Any]:
    """All events of a stream, and what the client makes of them."""
    async with anthropic.messages.stream(**asked(message, **fields)) as stream:
        events = [event async for event in stream]
        return events, await stream.get_final_message()


async def test_text(anthropic: AsyncAnthropic) -> None:
    """One block of text, streamed as whole, with usage, a reason and an id."""
    events, message = await streamed(anthropic)
    kinds = [event.type for event in events if event.type != "text"]
    assert kinds == [
        *("message_start", "content_block_start"),
        *["content_block_delta"] * 20,
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    answer = await whole(anthropic)
    for made in (message, answer):
        assert made.id.startswith("msg_")
        assert [block.text for block in made.content] == [TEXT]
        assert (made.stop_reason, made.stop_sequence, made.model) == ("end_turn", None, "scripted")
        assert (made.usage.output_tokens, made.usage.cache_read_input_tokens) == (20, 0)
        assert made.usage.input_tokens > 0
    assert answer._request_id is not None


async def test_thinking_then_text_then_a_tool(anthropic: AsyncAnthropic) -> None:
    """Reasoning is a block of thinking for those who ask; a call is a block with its whole input."""
    said = script(reasoning=2, length=2, tool_call=True)
    for message in (
        (await streamed(anthropic, said, thinking=THINKING, tools=[TOOL]))[1],
        await whole(anthropic, said, thinking=THINKING, tools=[TOOL]),
    ):
        thought, text, use = message.content
        assert (len(thought.thinking.split()), bool(thought.signature)) == (2, True)
        assert text.text == expected_text({"length": 2})
        assert (use.type, use.name, use.input) == ("tool_use", "read_level", {"gate": "upper"})
        assert message.stop_reason == "tool_use"
    assert [block.type for block in (await whole(anthropic, said)).content] == ["text", "tool_use"]


async def test_what_is_said_to_the_model(
    anthropic: AsyncAnthropic, system: System, session: ClientSession
) -> None:
    """System, pictures, calls, their results and all settings reach the model server as chat writes them."""
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    use = {"type": "tool_use", "id": "toolu_1", "name": "read_level", "input": {"gate": "upper"}}
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [{"type": "text", "text": "1.2"}, picture],
    }
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    create: Any = anthropic.messages.create
    await create(
        model="upstream",
        max_tokens=50,
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]},
            {"role": "assistant", "content": [thought, {"type": "text", "text": "I look."}, use]},
            {"role": "user", "content": [result, {"type": "text", "text": script(length=1)}]},
        ],
        tools=[TOOL],
        tool_choice={"type": "tool", "name": "read_level", "disable_parallel_tool_use": True},
        thinking=THINKING,
        extra_body={"temperature": 0.5},
        stop_sequences=["a"],
        metadata={"user_id": "u"},
    )
    body = (await system.asked(session))[-1]["body"]
    shown = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    call = {"name": "read_level", "arguments": '{"gate":"upper"}'}
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, shown]},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [{"id": "toolu_1", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "1.2"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "The tool call toolu_1 showed:"},
                shown,
                {"type": "text", "text": script(length=1)},
            ],
        },
    ]
    function = {
        "name": "read_level",
        "description": TOOL["description"],
        "parameters": TOOL["input_schema"],
    }
    assert body["tools"] == [{"type": "function", "function": function}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "read_level"}}
    assert (body["parallel_tool_calls"], body["stop"], body["temperature"]) == (False, ["a"], 0.5)
    assert (body["reasoning_effort"], body.get("user")) == ("low", None)


async def test_counting(anthropic: AsyncAnthropic) -> None:
    """Tokens are counted before anything is made: of messages, system and tools."""
    few = await anthropic.messages.count_tokens(
        model="scripted", messages=[{"role": "user", "content": "Hello"}]
    )
    many = await anthropic.messages.count_tokens(
        model="scripted", messages=[{"role": "user", "content": "x" * 4000}], system="Be brief.", tools=[TOOL]
    )
    assert 0 < few.input_tokens < 10
    assert many.input_tokens > 1000
    [model, *_] = [each async for each in anthropic.models.list()]
    assert (model.id, model.type) == ("scripted", "model")


async def test_every_position_resumes_exactly_the_rest(system: System, session: ClientSession) -> None:
    """For every event, Last-Event-ID yields the same frames, at the other gateway, as the uncut stream."""
    body = asked(script(length=6, reasoning=2, tool_call=True), stream=True, thinking=THINKING)
    async with session.post(system.url + MESSAGES, json=body) as response:
        message_id, blocks = message_id_of(response), blocks_of(await response.read())
    ids = [id_of(block) for block in blocks]
    assert ids[-1] == f"1-{1 + 2 + 6 + 2 + 1}" or ids[-1] is not None
    for k, at in enumerate(ids):
        if at is None:
            continue
        status, found = await rest(session, system.elsewhere, message_id, at)
        assert (status, found) == ((204, []) if k == len(ids) - 1 else (200, blocks[k + 1 :]))


async def test_stopped(anthropic: AsyncAnthropic, chat: ChatClient) -> None:
    """An answer that is stopped elsewhere ends with what it has, and says that it was stopped."""
    stream: Any = await anthropic.messages.create(**asked(script(rate=50, length=1000), stream=True))
    text, events = "", []
    async for event in stream:
        events.append(event)
        if event.type == "content_block_delta":
            text += event.delta.text
            if len(events) == 4:
                await chat.cancel(stream.response.headers["x-generation-id"])
    delta = events[-2].delta
    assert (delta.stop_reason, delta.finish_reason) == ("end_turn", "cancelled")
    assert expected_text({"length": 1000}).startswith(text)


@pytest.mark.parametrize("streams", [True, False])
async def test_hanging_up_stops_the_model(
    system: System, anthropic: AsyncAnthropic, session: ClientSession, streams: bool
) -> None:
    """Streamed or not: the model server's connection is closed within the grace."""
    message = script(rate=20, length=1000, seed=500 + streams)
    asking: Any = asyncio.ensure_future(
        anthropic.messages.create(**asked(message, model="upstream", stream=streams))
    )

    async def is_asked() -> bool:
        seen = await seen_of(system, session, message)
        return seen is not None and seen["steps"] > 0

    async def is_left() -> bool:
        seen = await seen_of(system, session, message)
        return seen is not None and seen["disconnected"] is not None

    await eventually(is_asked, "the model server is asked")
    if streams:
        await (await asking).close()
    else:
        asking.cancel()
    left = time.time()
    await eventually(is_left, "the model server's client leaves")
    seen = await seen_of(system, session, message)
    assert seen is not None
    assert seen["disconnected"] - left < ABANDON_GRACE_S + LEASE_S / 3 + SLACK_S


async def test_a_lost_worker(system: System, session: ClientSession) -> None:
    """P3: the answer goes on as one text, and every position resumes the rest, at either gateway."""
    body = asked(script(length=30, rate=30), stream=True, on_disconnect="continue")
    async with session.post(system.url + MESSAGES, json=body) as response:
        message_id, raw = message_id_of(response), b""
        while raw.count(b"text_delta") < 8:
            raw += await response.content.readany()
        system.kill_worker()
        blocks = blocks_of(raw + await response.read())
    assert text_of(blocks) == expected_text({"length": 30})
    ids = [(k, at) for k, block in enumerate(blocks) if (at := id_of(block)) is not None]
    assert {at.partition("-")[0] for _, at in ids} == {"1", "2"}, "two attempts wrote it"
    for k, at in ids:
        assert (await rest(session, system.elsewhere, message_id, at))[1] == blocks[k + 1 :]


async def test_a_model_that_starts_over(
    system: System, session: ClientSession, anthropic: AsyncAnthropic
) -> None:
    """Where it cannot go on, an error ends the stream; after that event there is a whole new message."""
    said = script(length=30, rate=30)
    waited = asyncio.create_task(whole(anthropic, said, model="plain"))
    body = asked(said, model="plain", stream=True, on_disconnect="continue")
    async with session.post(system.url + MESSAGES, json=body) as response:
        message_id, raw = message_id_of(response), b""
        while raw.count(b"text_delta") < 8:
            raw += await response.content.readany()
        system.kill_worker()
        blocks = blocks_of(raw + await response.read())
    assert data_of(blocks[-1])["error"]["code"] == "worker_lost"
    _, again = await rest(session, system.elsewhere, message_id, id_of(blocks[-1]))
    assert [data_of(block)["type"] for block in again[:2]] == LIFE
    assert text_of(again) == expected_text({"length": 30})
    assert (await waited).content[0].text == expected_text({"length": 30})


async def test_a_repeated_request(anthropic: AsyncAnthropic) -> None:
    """P10: the same Idempotency-Key gives the same message, streamed or whole."""
    headers = {"Idempotency-Key": "messages-1"}
    assert await whole(anthropic, extra_headers=headers) == await whole(anthropic, extra_headers=headers)
