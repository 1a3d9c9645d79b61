"""Responses of a running `headrace up`, as OpenAI's Python client and plain readers see them."""

from typing import Any

import openai as sdk
import pytest
from aiohttp import ClientSession
from openai import AsyncOpenAI

from tests.conftest import OpenClient
from tests.e2e.system import System
from tests.kit.chat_client import script
from tests.kit.openai_streams import data_of, events_of, raw_response, tail
from worker.backends.script import expected_text

TOOL: Any = {"type": "function", "name": "read_level", "parameters": {"type": "object"}, "strict": False}
TEXT = expected_text({"length": 20})

LIFE = ["response.created", "response.in_progress"]
MESSAGE_BEGINS = ["response.output_item.added", "response.content_part.added"]
MESSAGE_ENDS = ["response.output_text.done", "response.content_part.done", "response.output_item.done"]


async def test_the_order_of_events(openai: AsyncOpenAI) -> None:
    """Created, in progress, then each item with its parts from added to done, then completed."""
    kinds = [event.type for event in await events_of(openai, script(length=2, reasoning=2, tool_call=True))]
    assert kinds == [
        *LIFE,
        *MESSAGE_BEGINS,
        *["response.reasoning_text.delta"] * 2,
        "response.reasoning_text.done",
        *MESSAGE_ENDS[1:],
        *MESSAGE_BEGINS,
        *["response.output_text.delta"] * 2,
        *MESSAGE_ENDS,
        "response.output_item.added",
        *["response.function_call_arguments.delta"] * 2,
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]


async def test_numbers_are_dense_and_done_is_last(system: System, session: ClientSession) -> None:
    """sequence_number counts from 0 without a gap, and the literal [DONE] ends the stream."""
    _, frames = await raw_response(session, system.url)
    assert [data_of(frame)["sequence_number"] for frame in frames[:-1]] == list(range(len(frames) - 1))
    assert frames[-1] == b"data: [DONE]"


async def test_the_clients_own_accumulator_takes_the_stream(openai: AsyncOpenAI) -> None:
    """`responses.stream` of the SDK checks identities and gives the final response."""
    async with openai.responses.stream(model="scripted", input=script(reasoning=2, tool_call=True)) as stream:
        deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
        final = await stream.get_final_response()
    assert final.output_text == "".join(deltas) == TEXT
    assert [item.type for item in final.output] == ["reasoning", "message", "function_call"]
    assert final.usage is not None
    assert final.usage.total_tokens == final.usage.input_tokens + final.usage.output_tokens


async def test_the_client_can_read_on(system: System, openai: AsyncOpenAI, open_client: OpenClient) -> None:
    """`responses.stream` with an id and `starting_after` gives the events after it, at the other gateway."""
    whole = await openai.responses.create(model="scripted", input="Hello", background=True)
    async with open_client(system.elsewhere).responses.stream(
        response_id=whole.id, starting_after=6
    ) as stream:
        numbers = [event.sequence_number async for event in stream]
        final = await stream.get_final_response()
    assert numbers == list(range(7, 7 + len(numbers)))
    assert final.output_text == TEXT


async def test_a_whole_response(openai: AsyncOpenAI) -> None:
    """Without `stream` the response is one object that repeats what was asked of it."""
    response = await openai.responses.create(
        model="scripted", input="Hello", instructions="Be brief.", metadata={"k": "v"}, temperature=0.5
    )
    assert (response.status, response.output_text) == ("completed", TEXT)
    assert (response.instructions, response.metadata, response.temperature) == ("Be brief.", {"k": "v"}, 0.5)
    assert response.completed_at is not None
    assert response == await openai.responses.retrieve(response.id)


async def test_input_reaches_the_model_as_chat(
    openai: AsyncOpenAI, system: System, session: ClientSession
) -> None:
    """Items, instructions, tools and formats become what a chat model server reads."""
    items: list[Any] = [
        {"role": "user", "content": [{"type": "input_text", "text": "What is it?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "read_level", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "read_level", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "1.2"},
        {"type": "function_call_output", "call_id": "c2", "output": "0.7"},
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"}],
        },
        {"role": "user", "content": script(length=1)},
    ]
    await openai.responses.create(
        model="upstream",
        instructions="Be brief.",
        input=items,
        tools=[TOOL],
        tool_choice={"type": "function", "name": "read_level"},
        max_output_tokens=50,
        text={"format": {"type": "json_schema", "name": "level", "schema": {"type": "object"}}},
        reasoning={"effort": "low"},
    )
    sent = (await system.asked(session))[-1]["body"]
    function = {"name": "read_level", "arguments": "{}"}
    image = {"url": "data:image/png;base64,AA==", "detail": "low"}
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": function},
                {"id": "c2", "type": "function", "function": function},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "1.2"},
        {"role": "tool", "tool_call_id": "c2", "content": "0.7"},
        {"role": "user", "content": [{"type": "image_url", "image_url": image}]},
        {"role": "user", "content": script(length=1)},
    ]
    assert sent["tools"] == [
        {
            "type": "function",
            "function": {"name": "read_level", "parameters": {"type": "object"}, "strict": False},
        }
    ]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "read_level"}}
    assert (sent["max_tokens"], sent["reasoning_effort"]) == (50, "low")
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "level", "schema": {"type": "object"}},
    }


async def test_allowed_tools_are_all_that_the_model_sees(
    openai: AsyncOpenAI, system: System, session: ClientSession
) -> None:
    """allowed_tools is a hard limit: the model server is not told of the others."""
    other: Any = {**TOOL, "name": "open_gate"}
    choice: Any = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "open_gate"}],
    }
    response = await openai.responses.create(
        model="upstream", input=script(length=1), tools=[TOOL, other], tool_choice=choice
    )
    sent = (await system.asked(session))[-1]["body"]
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["open_gate"]
    assert sent["tool_choice"] == "required"
    assert len(response.tools) == 2


async def test_the_previous_response_comes_before_the_input(
    openai: AsyncOpenAI, system: System, session: ClientSession
) -> None:
    """The model reads earlier input and output, calls included, but not the earlier instructions."""
    ask = script(length=2, tool_call=True)
    first = await openai.responses.create(model="upstream", input=ask, instructions="Shout.")
    call = first.output[-1]
    assert call.type == "function_call"
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "1.2"}
    second = await openai.responses.create(
        model="upstream", input=[output], previous_response_id=first.id, instructions="Whisper."
    )
    assert second.previous_response_id == first.id
    function = {"name": "read_level", "arguments": '{"gate": "upper"}'}
    turns: list[Any] = [
        {"role": "user", "content": ask},
        {
            "role": "assistant",
            "content": expected_text({"length": 2}),
            "tool_calls": [{"id": "call_fake", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "call_fake", "content": "1.2"},
    ]
    whisper = [{"role": "system", "content": "Whisper."}]
    assert ((await system.asked(session))[-1]["body"])["messages"] == whisper + turns
    await openai.responses.create(model="upstream", input=script(length=1), previous_response_id=second.id)
    third = ((await system.asked(session))[-1]["body"])["messages"]
    assert third[:3] == turns
    assert [message["role"] for message in third[3:]] == ["assistant", "user"]


async def test_every_number_resumes_exactly_the_rest(system: System, session: ClientSession) -> None:
    """For every k, starting_after=k at another gateway equals the stream's tail."""
    message = script(length=5, reasoning=2, tool_call=True)
    response_id, frames = await raw_response(session, system.url, message)
    elsewhere = system.elsewhere
    assert await tail(session, elsewhere, response_id) == frames
    for k in range(len(frames) - 1):
        assert await tail(session, elsewhere, response_id, k) == frames[k + 1 :]


async def test_a_limit_on_tokens_makes_it_incomplete(openai: AsyncOpenAI) -> None:
    """max_output_tokens ends item and response as incomplete, and says why."""
    events = await events_of(openai, max_output_tokens=3)
    assert events[-1].type == "response.incomplete"
    response = events[-1].response
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert response.output[0].status == "incomplete"


async def test_a_failed_generation(openai: AsyncOpenAI) -> None:
    """A failure is response.failed in a stream and in a retrieval, and a status to who waits."""
    message = script(fail_after=3, fail_code="upstream_rate_limited")
    events = await events_of(openai, message, background=True)
    assert events[-1].type == "response.failed"
    failed = await openai.responses.retrieve(events[-1].response.id)
    assert failed == events[-1].response
    assert (failed.status, failed.error and failed.error.code) == ("failed", "rate_limit_exceeded")
    with pytest.raises(sdk.RateLimitError):
        await openai.responses.create(model="scripted", input=message)
