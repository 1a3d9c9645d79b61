"""Responses, as OpenAI's Python client and plain readers of event streams see them."""

import asyncio
import json
import signal
from typing import Any

import openai as sdk
import pytest
from aiohttp import ClientSession
from openai import AsyncOpenAI

from tests.chat_client import ChatClient, script
from tests.conftest import StartStack
from tests.eventually import eventually
from tests.integration.conftest import OpenClient
from tests.stack import Stack
from worker.backends.script import expected_text

PATH = "/v1/responses"
TOOL: Any = {"type": "function", "name": "read_level", "parameters": {"type": "object"}, "strict": False}
TEXT = expected_text({"length": 20})

LIFE = ["response.created", "response.in_progress"]
MESSAGE_BEGINS = ["response.output_item.added", "response.content_part.added"]
MESSAGE_ENDS = ["response.output_text.done", "response.content_part.done", "response.output_item.done"]


async def events_of(openai: AsyncOpenAI, message: str = "Hello", **options: Any) -> list[Any]:
    """A whole stream."""
    options = {"model": "scripted"} | options
    stream: Any = await openai.responses.create(input=message, stream=True, **options)
    return [event async for event in stream]


async def sent_upstream(stack: Stack, session: ClientSession) -> dict[str, Any]:
    """The last request that the fake model server got."""
    assert stack.upstream is not None
    body: dict[str, Any] = (await ChatClient(session, stack.upstream.url).call("GET", "/_requests")).body[-1]
    return dict(body["body"])


async def raw_stream(
    session: ClientSession, url: str, message: str = "Hello", **fields: Any
) -> tuple[str, list[bytes]]:
    """A response's id and all frames of its stream."""
    body = {"input": message, "stream": True, "background": True, **fields}
    async with session.post(url + PATH, json=body) as response:
        assert response.status == 200
        return response.headers["Location"].rpartition("/")[2], frames_of(await response.read())


async def tail(session: ClientSession, url: str, response_id: str, after: int | None = None) -> list[bytes]:
    """The frames behind a number."""
    behind = "" if after is None else f"&starting_after={after}"
    async with session.get(f"{url}{PATH}/{response_id}?stream=true{behind}") as response:
        assert response.status == 200
        return frames_of(await response.read())


def frames_of(raw: bytes) -> list[bytes]:
    """Frames with data, without what fills silence."""
    frames = [frame for frame in raw.split(b"\n\n") if frame]
    assert b"\nid:" not in raw
    return [frame for frame in frames if b"data: " in frame]


def data_of(frame: bytes) -> Any:
    """What a frame says; `event:` must be its type."""
    head, _, data = frame.partition(b"\ndata: ")
    said = json.loads(data)
    assert head == b"event: " + said["type"].encode()
    return said


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


async def test_numbers_are_dense_and_done_is_last(stack: Stack, session: ClientSession) -> None:
    """sequence_number counts from 0 without a gap, and the literal [DONE] ends the stream."""
    _, frames = await raw_stream(session, stack.gateways[0].url)
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


async def test_the_client_can_read_on(openai: AsyncOpenAI) -> None:
    """`responses.stream` with an id and `starting_after` gives the events behind that number."""
    whole = await openai.responses.create(model="scripted", input="Hello", background=True)
    async with openai.responses.stream(response_id=whole.id, starting_after=6) as stream:
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


async def test_in_the_background(openai: AsyncOpenAI) -> None:
    """A background response is queued at once, can be asked for while it is made, and completes."""
    message = script(rate=50, length=20)
    queued = await openai.responses.create(model="scripted", input=message, background=True)
    assert (queued.status, queued.background, queued.output) == ("queued", True, [])
    seen = set()

    async def completed() -> bool:
        response = await openai.responses.retrieve(queued.id)
        seen.add(response.status)
        assert TEXT.startswith(response.output_text)
        return response.status == "completed"

    await eventually(completed, "the response completes")
    assert "in_progress" in seen
    assert (await openai.responses.retrieve(queued.id)).output_text == TEXT


async def test_input_reaches_the_model_as_chat(
    openai: AsyncOpenAI, stack: Stack, session: ClientSession
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
    sent = await sent_upstream(stack, session)
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
    openai: AsyncOpenAI, stack: Stack, session: ClientSession
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
    sent = await sent_upstream(stack, session)
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["open_gate"]
    assert sent["tool_choice"] == "required"
    assert len(response.tools) == 2


async def test_the_previous_response_comes_before_the_input(
    openai: AsyncOpenAI, stack: Stack, session: ClientSession
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
    assert (await sent_upstream(stack, session))["messages"] == whisper + turns
    await openai.responses.create(model="upstream", input=script(length=1), previous_response_id=second.id)
    third = (await sent_upstream(stack, session))["messages"]
    assert third[:3] == turns
    assert [message["role"] for message in third[3:]] == ["assistant", "user"]


async def test_every_number_resumes_exactly_the_rest(stack: Stack, session: ClientSession) -> None:
    """For every k, starting_after=k at another gateway equals the stream's tail."""
    message = script(length=5, reasoning=2, tool_call=True)
    response_id, frames = await raw_stream(session, stack.gateways[0].url, message)
    elsewhere = stack.gateways[1].url
    assert await tail(session, elsewhere, response_id) == frames
    for k in range(len(frames) - 1):
        assert await tail(session, elsewhere, response_id, k) == frames[k + 1 :]


async def test_numbers_survive_a_worker(own_stack: StartStack, session: ClientSession) -> None:
    """A worker killed in mid-answer leaves no trace in the numbers: every k resumes the rest."""
    stack = await own_stack(gateways=2, workers=1, lease_s=1)
    url, elsewhere = (gateway.url for gateway in stack.gateways)
    body = {"input": script(length=30, rate=30), "stream": True, "background": True, "model": "scripted"}
    async with session.post(url + PATH, json=body) as response:
        response_id, raw = response.headers["Location"].rpartition("/")[2], b""
        while raw.count(b"output_text.delta") < 8:
            raw += await response.content.readany()
        stack.workers[0].signal(signal.SIGKILL)
        live = asyncio.create_task(tail(session, elsewhere, response_id, 5))
        await stack.add_worker()
        raw += await response.read()
    frames = frames_of(raw)
    final = data_of(frames[-2])["response"]
    assert final["output"][0]["content"][0]["text"] == expected_text({"length": 30})
    assert await live == frames[6:]
    for k in range(len(frames) - 1):
        assert await tail(session, elsewhere, response_id, k) == frames[k + 1 :]


async def test_an_answer_that_starts_over(
    own_stack: StartStack, session: ClientSession, open_client: OpenClient
) -> None:
    """Where a model cannot continue, an error ends the stream; behind it there is a whole new answer."""
    stack = await own_stack(workers=1, lease_s=1)
    url = stack.gateways[0].url
    message = script(length=30, rate=30)
    stream = await open_client(url).responses.create(
        model="plain", input=message, stream=True, background=True
    )
    events: list[Any] = []
    with pytest.raises(sdk.APIError) as broken:
        async for event in stream:
            events.append(event)
            if len(events) == 8:
                stack.workers[0].signal(signal.SIGKILL)
                await stack.add_worker()
    assert broken.value.code == "worker_lost"
    response_id, number = events[0].response.id, events[-1].sequence_number + 1
    first = await tail(session, url, response_id)
    assert [data_of(frame)["type"] for frame in first[-2:-1]] == ["error"]
    again = await tail(session, url, response_id, number)
    assert [data_of(frame)["sequence_number"] for frame in again[:-1]] == list(
        range(number + 1, number + len(again))
    )
    assert [data_of(frame)["type"] for frame in again[:2]] == LIFE
    assert data_of(again[-2])["response"]["output"][0]["content"][0]["text"] == expected_text({"length": 30})
    assert (await open_client(url).responses.retrieve(response_id)).output_text == expected_text(
        {"length": 30}
    )


async def test_cancelling_twice_is_cancelling_once(openai: AsyncOpenAI) -> None:
    """A cancelled response keeps what it said, its stream ends, and a second cancel changes nothing."""
    stream: Any = await openai.responses.create(
        model="scripted", input=script(rate=50, length=1000), stream=True, background=True
    )
    events = []
    async for event in stream:
        events.append(event)
        if len(events) == 6:
            first = await openai.responses.cancel(events[0].response.id)
    assert events[-1].type == "response.incomplete"
    assert events[-1].response.status == first.status == "cancelled"
    assert events[-1].response.output_text == first.output_text
    assert events[-1].response.output[0].status == "incomplete"
    assert expected_text({"length": 1000}).startswith(first.output_text)
    assert await openai.responses.cancel(first.id) == first
    assert await openai.responses.retrieve(first.id) == first


async def test_an_ended_response_cannot_be_cancelled(openai: AsyncOpenAI) -> None:
    """Cancelling a completed response answers with it as it is."""
    whole = await openai.responses.create(model="scripted", input="Hello")
    assert await openai.responses.cancel(whole.id) == whole


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


async def test_a_record_outlives_its_log(openai: AsyncOpenAI, stack: Stack, session: ClientSession) -> None:
    """Once the log has expired the response is still there; its events are gone, which is a 410."""
    whole = await openai.responses.create(
        model="scripted", input=script(reasoning=2, tool_call=True, length=3)
    )
    stack.redis.delete("hr:log:gen_" + whole.id.removeprefix("resp_"))
    again = await openai.responses.retrieve(whole.id)
    assert again.output == whole.output
    assert (again.status, again.usage) == (whole.status, whole.usage)
    async with session.get(f"{stack.gateways[0].url}{PATH}/{whole.id}?stream=true") as response:
        assert response.status == 410


async def test_deleting(openai: AsyncOpenAI, stack: Stack) -> None:
    """A deleted response is nowhere any more; one under way is stopped first."""
    under_way = await openai.responses.create(
        model="scripted", input=script(rate=20, length=1000), background=True
    )
    await openai.responses.delete(under_way.id)
    for call in (openai.responses.retrieve, openai.responses.cancel, openai.responses.delete):
        with pytest.raises(sdk.NotFoundError):
            await call(under_way.id)
    assert not list(stack.redis.scan_iter(match="*" + under_way.id.removeprefix("resp_")))


async def test_what_is_not_stored_is_not_found(openai: AsyncOpenAI) -> None:
    """store=false answers, but cannot be come back to."""
    response = await openai.responses.create(model="scripted", input="Hello", store=False)
    assert (response.output_text, response.store if hasattr(response, "store") else None) == (TEXT, False)
    with pytest.raises(sdk.NotFoundError):
        await openai.responses.retrieve(response.id)
    with pytest.raises(sdk.NotFoundError) as unknown:
        await openai.responses.create(model="scripted", input="x", previous_response_id=response.id)
    assert unknown.value.param == "previous_response_id"


async def test_input_items_are_listed_page_by_page(openai: AsyncOpenAI) -> None:
    """Input is listed as items with ids, the last first, in pages that the client follows."""
    texts = [f"Message {i}" for i in range(5)]
    items: list[Any] = [{"role": "user", "content": text} for text in texts]
    response = await openai.responses.create(model="scripted", input=items)
    pages = openai.responses.input_items.list(response.id, limit=2)
    listed: list[Any] = [item async for item in pages]
    assert [item.content[0].text for item in listed] == texts[::-1]
    assert len({item.id for item in listed}) == 5
    ascending = await openai.responses.input_items.list(response.id, order="asc", limit=1)
    assert (ascending.data[0].id, ascending.has_more) == (listed[-1].id, True)


async def test_strangers_find_nothing(own_stack: StartStack, open_client: OpenClient) -> None:
    """A response of another owner is not found, in whichever way it is asked for."""
    stack = await own_stack(api_keys="one,two")
    url = stack.gateways[0].url
    mine = await open_client(url, api_key="one").responses.create(model="scripted", input="Hello")
    stranger = open_client(url, api_key="two")
    for call in (stranger.responses.retrieve, stranger.responses.cancel, stranger.responses.delete):
        with pytest.raises(sdk.NotFoundError):
            await call(mine.id)
    with pytest.raises(sdk.NotFoundError):
        await stranger.responses.input_items.list(mine.id)
    with pytest.raises(sdk.NotFoundError):
        await stranger.responses.create(model="scripted", input="x", previous_response_id=mine.id)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": "x", "background": True, "store": False}, "store"),
        ({"input": "x", "truncation": "auto"}, "truncation"),
        ({"input": "x", "include": ["reasoning.encrypted_content"]}, "include"),
        ({"input": "x", "extra_body": {"conversation": "c"}}, "conversation"),
        ({"input": "x", "reasoning": {"summary": "auto"}}, "reasoning.summary"),
        ({"input": "x", "tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
            "input[0].content[0]",
        ),
        ({"input": []}, "input"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(
    openai: AsyncOpenAI, fields: dict[str, Any], param: str
) -> None:
    """A field that we cannot honour is a BadRequestError that names it."""
    with pytest.raises(sdk.BadRequestError) as refused:
        await openai.responses.create(**{"model": "scripted"} | fields)
    assert refused.value.param == param


async def test_what_cannot_be_retrieved_is_refused_by_name(openai: AsyncOpenAI) -> None:
    """Query fields that we cannot honour, or that make no sense, are BadRequestErrors too."""
    whole = await openai.responses.create(model="scripted", input="Hello")
    queries: list[dict[str, Any]] = [
        {"include": ["reasoning.encrypted_content"]},
        {"include_obfuscation": True},
        {"extra_query": {"starting_after": "3"}},
        {"extra_query": {"stream": "true", "starting_after": "-1"}},
        {"extra_query": {"stream": "maybe"}},
    ]
    for query in queries:
        with pytest.raises(sdk.BadRequestError):
            await openai.responses.retrieve(whole.id, **query)


async def test_a_client_that_leaves_stops_only_what_runs_for_it(
    own_stack: StartStack, open_client: OpenClient, session: ClientSession
) -> None:
    """A closed connection stops a plain response, and leaves one in the background alone."""
    stack = await own_stack(abandon_grace_s=0.2, lease_s=1)
    openai = open_client(stack.gateways[0].url)
    message = script(rate=30, length=60)
    ids = []
    for background in (False, True):
        stream: Any = await openai.responses.create(
            model="scripted", input=message, stream=True, background=background
        )
        ids.append((await anext(stream)).response.id)
        await stream.close()

    async def ended() -> bool:
        statuses = [(await openai.responses.retrieve(response_id)).status for response_id in ids]
        return statuses == ["cancelled", "completed"]

    await eventually(ended, "one is cancelled, the other completes")


async def test_a_repeated_submission_is_answered_once(openai: AsyncOpenAI) -> None:
    """The same Idempotency-Key gives the same response, also in the background."""
    for n, background in enumerate((False, True)):
        made = [
            await openai.responses.create(
                model="scripted",
                input="Hello",
                background=background,
                extra_headers={"Idempotency-Key": f"response-{n}"},
            )
            for _ in range(2)
        ]
        assert made[0].id == made[1].id
