"""Chat Completions, as OpenAI's Python client and plain readers of event streams see them."""

import asyncio
import json
import signal
import time
from typing import Any

import openai as sdk
import pytest
from aiohttp import ClientSession
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from tests.chat_client import ChatClient, script
from tests.conftest import StartStack
from tests.eventually import eventually
from tests.integration.conftest import OpenClient
from tests.local import Local
from tests.stack import Stack
from worker.backends.script import expected_text

PATH = "/v1/chat/completions"
TOOL: Any = {"type": "function", "function": {"name": "read_level", "parameters": {"type": "object"}}}


def said(content: Any = "Hello") -> list[Any]:
    """A user's only message."""
    return [{"role": "user", "content": content}]


async def chunks_of(openai: AsyncOpenAI, message: Any = "Hello", **options: Any) -> list[ChatCompletionChunk]:
    """A whole stream."""
    options = {"model": "scripted"} | options
    stream: Any = await openai.chat.completions.create(messages=said(message), stream=True, **options)
    return [chunk async for chunk in stream]


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    """The answer that *chunks* give."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


async def seen_upstream(stack: Stack, session: ClientSession) -> list[dict[str, Any]]:
    """What the fake model server was asked."""
    assert stack.upstream is not None
    return list((await ChatClient(session, stack.upstream.url).call("GET", "/_requests")).body)


async def was_asked(stack: Stack, session: ClientSession) -> bool:
    """Whether the model server was asked anything."""
    return bool(await seen_upstream(stack, session))


async def was_left(stack: Stack, session: ClientSession) -> bool:
    """Whether the model server has lost its first client."""
    return (await seen_upstream(stack, session))[0]["disconnected"] is not None


async def test_a_stream_has_one_id_a_role_first_and_a_reason_last(openai: AsyncOpenAI) -> None:
    """The first delta has the role, every chunk the same head, the last the finish_reason."""
    chunks = await chunks_of(openai)
    assert len({(c.id, c.created, c.model, c.object) for c in chunks}) == 1
    assert chunks[0].id.startswith("chatcmpl-")
    assert (chunks[0].model, chunks[0].object) == ("scripted", "chat.completion.chunk")
    assert (chunks[0].choices[0].delta.role, chunks[0].choices[0].delta.content) == ("assistant", "")
    assert [c.choices[0].finish_reason for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert chunks[-1].choices[0].delta.content is None
    assert text_of(chunks) == expected_text({"length": 20})


async def test_usage_comes_when_it_is_asked_for(openai: AsyncOpenAI) -> None:
    """With include_usage the last chunk has usage and no choices, and all others `usage: null`."""
    chunks = await chunks_of(openai, stream_options={"include_usage": True})
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 20
    assert all(c.usage is None and "usage" in c.model_fields_set for c in chunks[:-1])
    assert "usage" not in (await chunks_of(openai))[0].model_fields_set


async def test_a_whole_answer(openai: AsyncOpenAI) -> None:
    """Without `stream` the answer is one object with the text, the reason and the usage."""
    whole = await openai.chat.completions.create(model="scripted", messages=said("/script {}"))
    assert (whole.object, whole.model) == ("chat.completion", "scripted")
    assert whole.choices[0].message.content == expected_text({"length": 20})
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 20


async def test_a_limit_on_tokens_is_the_reason(openai: AsyncOpenAI) -> None:
    """An answer cut by max_tokens, under either name, says `length`."""
    for limit in ("max_tokens", "max_completion_tokens"):
        chunks = await chunks_of(openai, **{limit: 3})
        assert chunks[-1].choices[0].finish_reason == "length"
        assert text_of(chunks) == expected_text({"length": 20})[: len(text_of(chunks))]


async def test_tools_go_to_the_model_and_its_calls_come_back(
    openai: AsyncOpenAI, stack: Stack, session: ClientSession
) -> None:
    """Tools reach the upstream as they are; the client's accumulator gets the whole call."""
    message = script(tool_call=True, length=2)
    async with openai.chat.completions.stream(
        model="upstream", messages=said(message), tools=[TOOL], tool_choice="auto"
    ) as stream:
        async for _ in stream:
            pass
        streamed = (await stream.get_final_completion()).choices[0]
    assert (await seen_upstream(stack, session))[-1]["body"]["tools"] == [TOOL]
    whole = await openai.chat.completions.create(model="upstream", messages=said(message), tools=[TOOL])
    for choice in (streamed, whole.choices[0]):
        assert choice.finish_reason == "tool_calls"
        assert choice.message.tool_calls is not None
        call: Any = choice.message.tool_calls[0]
        assert (call.id, call.type, call.function.name) == ("call_fake", "function", "read_level")
        assert json.loads(call.function.arguments) == {"gate": "upper"}


async def test_what_is_said_to_the_model_is_passed_on(
    openai: AsyncOpenAI, stack: Stack, session: ClientSession
) -> None:
    """Images, tool results and sampling fields reach the upstream unchanged, our own fields do not."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}}
    messages: list[Any] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"}]},
        {"role": "tool", "tool_call_id": "c", "content": "1.2"},
        {"role": "user", "content": script(length=1)},
    ]
    sampling: dict[str, Any] = {
        "temperature": 0.5,
        "stop": ["a"],
        "seed": 7,
        "logit_bias": {"5": -1},
        "response_format": {"type": "json_object"},
        "reasoning_effort": "low",
        "metadata": {"k": "v"},
    }
    await openai.chat.completions.create(
        model="upstream", messages=messages, n=1, extra_body={"on_disconnect": "continue"}, **sampling
    )
    body = (await seen_upstream(stack, session))[-1]["body"]
    assert body["messages"] == messages
    assert {name: body[name] for name in sampling} == sampling
    assert not {"n", "on_disconnect", "metadata_"} & set(body)


async def test_reasoning_is_kept_apart(openai: AsyncOpenAI) -> None:
    """Reasoning comes as reasoning_content, streamed and whole."""
    message = script(reasoning=3, length=2)
    chunks = await chunks_of(openai, message)
    deltas = [choice.delta.model_dump().get("reasoning_content") for c in chunks for choice in c.choices]
    streamed = "".join(filter(None, deltas))
    whole = await openai.chat.completions.create(model="scripted", messages=said(message))
    assert streamed
    assert whole.choices[0].message.model_dump()["reasoning_content"] == streamed
    assert whole.choices[0].message.content == text_of(chunks) == expected_text({"length": 2})


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"store": True}, "store"),
        ({"extra_body": {"top_logprobs": 2}}, "top_logprobs"),
        ({"extra_body": {"audio": {"voice": "x"}}}, "audio"),
        ({"extra_body": {"functions": []}}, "functions"),
        ({"temperature": 3}, "temperature"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": [1]}]}, "messages[0]"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(
    openai: AsyncOpenAI, fields: dict[str, Any], param: str
) -> None:
    """A field that we cannot honour is a BadRequestError whose param names it."""
    with pytest.raises(sdk.BadRequestError) as refused:
        await openai.chat.completions.create(**{"model": "scripted", "messages": said()} | fields)
    assert refused.value.param == param
    assert (refused.value.type, refused.value.code) == ("invalid_request_error", "invalid_request")


async def test_errors_are_the_clients_own(openai: AsyncOpenAI, chat: ChatClient) -> None:
    """Unknown models and generations are NotFoundErrors; every answer has a request id."""
    with pytest.raises(sdk.NotFoundError) as unknown:
        await openai.chat.completions.create(model="nope", messages=said())
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert unknown.value.request_id is not None
    with pytest.raises(sdk.NotFoundError):
        await openai.models.retrieve("nope")
    for method, path, status in (
        ("GET", "/v1/nothing", 404),
        ("GET", PATH, 405),
        ("GET", f"{PATH}/gen_x/stream", 404),
    ):
        answer = await chat.call(method, path)
        assert (answer.status, set(answer.body["error"])) == (status, {"message", "type", "param", "code"})
    answer = await chat.call("POST", PATH, data=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.body["error"]["param"]) == (415, "Content-Type")
    answer = await chat.call("POST", PATH, data=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status, answer.body["error"]["type"]) == (400, "invalid_request_error")


async def test_a_wrong_key_is_an_authentication_error(local: Local, open_client: OpenClient) -> None:
    """Without the right key there is an AuthenticationError, with it an answer."""
    url = await local.start(api_keys="right")
    with pytest.raises(sdk.AuthenticationError):
        await open_client(url, api_key="wrong").models.list()
    models = await open_client(url, api_key="right").models.list()
    assert [m.id for m in models.data] == ["scripted", "plain", "single"]


async def test_a_full_queue_is_a_rate_limit_with_retry_after(local: Local, open_client: OpenClient) -> None:
    """Too much work is a RateLimitError that says when to come back; the client tries again by itself."""
    url = await local.start(worker=False, max_queued=1)
    openai = open_client(url)
    first = asyncio.create_task(openai.chat.completions.create(model="scripted", messages=said()))
    await eventually(lambda: local.redis.zcard("hr:queue:scripted") == 1, "the first is queued")
    with pytest.raises(sdk.RateLimitError) as refused:
        await openai.chat.completions.create(model="scripted", messages=said())
    assert refused.value.response.headers["retry-after"] == "2"
    assert "x-should-retry" not in refused.value.response.headers
    patient = asyncio.create_task(
        open_client(url, max_retries=5).chat.completions.create(model="scripted", messages=said())
    )
    await local.start_worker()
    assert (await first).choices[0].message.content == (await patient).choices[0].message.content


async def test_a_gateway_without_its_broker_is_a_503(local: Local, open_client: OpenClient) -> None:
    """A broker that is away is an InternalServerError of 503 in OpenAI's shape, worth trying again."""
    url = await local.start(worker=False, redis_url="redis://127.0.0.1:1/0")
    with pytest.raises(sdk.InternalServerError) as away:
        await open_client(url).get("/chat/completions/gen_x/stream", cast_to=object)
    assert (away.value.status_code, away.value.code) == (503, "unavailable")
    assert away.value.response.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        ("upstream_rejected", sdk.BadRequestError, 400),
        ("upstream_rate_limited", sdk.RateLimitError, 429),
        ("upstream_invalid", sdk.InternalServerError, 502),
        ("first_token_timeout", sdk.InternalServerError, 504),
    ],
)
async def test_a_failed_generation(openai: AsyncOpenAI, code: str, kind: Any, status: int) -> None:
    """A failure in mid-stream is an APIError after the text so far; without `stream` it has a status."""
    message = script(fail_after=3, fail_code=code)
    stream = await openai.chat.completions.create(model="scripted", messages=said(message), stream=True)
    chunks = []
    with pytest.raises(sdk.APIError) as failed:
        async for chunk in stream:
            chunks.append(chunk)
    assert text_of(chunks) == expected_text({"length": 3}).rstrip(".")
    assert failed.value.code == code
    with pytest.raises(kind) as refused:
        await openai.chat.completions.create(model="scripted", messages=said(message))
    assert (refused.value.status_code, refused.value.code) == (status, code)


async def test_a_stopped_answer_ends_like_any_other(openai: AsyncOpenAI, chat: ChatClient) -> None:
    """A generation that is cancelled ends its stream with `stop` and what it has."""
    stream = await openai.chat.completions.create(
        model="scripted", messages=said(script(rate=50, length=1000)), stream=True
    )
    chunks = []
    async for chunk in stream:
        chunks.append(chunk)
        if len(chunks) == 3:
            await chat.cancel(stream.response.headers["x-generation-id"])
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert expected_text({"length": 1000}).startswith(text_of(chunks))


async def test_a_repeated_submission_is_answered_once(openai: AsyncOpenAI) -> None:
    """The same Idempotency-Key gives the same answer, streamed or whole."""
    headers = {"Idempotency-Key": "chat-1"}
    first = await chunks_of(openai, extra_headers=headers)
    assert [c.model_dump() for c in await chunks_of(openai, extra_headers=headers)] == [
        c.model_dump() for c in first
    ]
    headers = {"Idempotency-Key": "chat-2"}
    whole = [
        await openai.chat.completions.create(model="scripted", messages=said(), extra_headers=headers)
        for _ in range(2)
    ]
    assert whole[0] == whole[1]
    with pytest.raises(sdk.UnprocessableEntityError):
        await openai.chat.completions.create(model="plain", messages=said(), extra_headers=headers)


async def test_silence_is_filled_with_comments(local: Local, open_client: OpenClient) -> None:
    """Heartbeats are comments that the client does not see, also behind frames with an id."""
    url = await local.start(heartbeat_s=0.1)
    message = script(stall_after=2)
    stream = await open_client(url).chat.completions.create(
        model="scripted", messages=said(message), stream=True
    )
    raw = b""
    async for piece in stream.response.aiter_bytes():
        raw += piece
        if raw.count(b": hb worker=") == 2:
            break
    await stream.close()
    assert b"retry:" not in raw
    decoder: Any = open_client(url)._make_sse_decoder()
    events = list(decoder.iter_bytes(iter([raw])))
    assert [bool(event.data) for event in events] == [True] * 3


# Resuming


async def raw_stream(
    session: ClientSession, url: str, message: str, **fields: Any
) -> tuple[str, list[bytes]]:
    """A generation's id and all blocks of its stream."""
    body = {"messages": said(message), "stream": True, "stream_options": {"include_usage": True}} | fields
    async with session.post(url + PATH, json=body) as response:
        assert response.status == 200
        return response.headers["X-Generation-Id"], blocks_of(await response.read())


def blocks_of(raw: bytes) -> list[bytes]:
    """The stream's frames."""
    return [block for block in raw.split(b"\n\n") if block]


def id_of(block: bytes) -> str | None:
    """A frame's id."""
    first = block.split(b"\n")[0]
    return first[4:].decode() if first.startswith(b"id: ") else None


async def test_every_position_resumes_exactly_the_rest(stack: Stack, session: ClientSession) -> None:
    """For every event, Last-Event-ID yields the same bytes as the uncut stream has after it."""
    message = script(length=6, reasoning=2, tool_call=True)
    generation_id, blocks = await raw_stream(session, stack.gateways[0].url, message)
    assert blocks[-1].endswith(b"data: [DONE]")
    ids = [id_of(block) for block in blocks]
    assert ids[-1] == f"1-{1 + 2 + 6 + 3}"
    for k, at in enumerate(ids):
        if at is None:
            continue
        url = f"{stack.gateways[1].url}{PATH}/{generation_id}/stream"
        async with session.get(url, headers={"Last-Event-ID": at}) as response:
            assert response.status == (204 if at == ids[-1] else 200)
            assert blocks_of(await response.read()) == blocks[k + 1 :]


async def test_a_chunks_id_resumes_too(openai: AsyncOpenAI, session: ClientSession, stack: Stack) -> None:
    """A stream can be found again by the id that its chunks carry."""
    chunk = (await chunks_of(openai))[0]
    async with session.get(f"{stack.gateways[1].url}{PATH}/{chunk.id}/stream?after=1-20") as response:
        assert frames_with_choices(await response.read()) == 1


def frames_with_choices(raw: bytes) -> int:
    """How many chunks *raw* has."""
    return raw.count(b'"choices"')


async def test_a_cut_stream_survives_its_worker(own_stack: StartStack, session: ClientSession) -> None:
    """After a worker's SIGKILL every position still resumes exactly the rest of one coherent answer."""
    stack = await own_stack(workers=1, lease_s=1)
    url = stack.gateways[0].url + PATH
    body = {
        "messages": said(script(length=30, rate=30)),
        "stream": True,
        "on_disconnect": "continue",
        "model": "scripted",
    }
    async with session.post(url, json=body) as response:
        generation_id, raw = response.headers["X-Generation-Id"], b""
        while raw.count(b"content") < 8:
            raw += await response.content.readany()
        stack.workers[0].signal(signal.SIGKILL)
        await stack.add_worker()
        raw += await response.read()
    blocks = blocks_of(raw)
    deltas = [json.loads(block.partition(b"data: ")[2]) for block in blocks[:-1]]
    text = "".join(c["delta"].get("content", "") for d in deltas for c in d["choices"])
    assert text == expected_text({"length": 30})
    assert {id_of(block).partition("-")[0] for block in blocks if id_of(block)} == {"1", "2"}  # type: ignore[union-attr]
    for k, at in [(k, at) for k, block in enumerate(blocks[:-1]) if (at := id_of(block))]:
        async with session.get(f"{url}/{generation_id}/stream", headers={"Last-Event-ID": at}) as response:
            assert blocks_of(await response.read()) == blocks[k + 1 :]


async def test_an_answer_that_starts_over_is_an_error_to_its_reader(
    own_stack: StartStack, session: ClientSession, open_client: OpenClient
) -> None:
    """A model that cannot continue starts over: the stream ends in an error, a whole answer is whole."""
    stack = await own_stack(workers=1, lease_s=1)
    openai = open_client(stack.gateways[0].url)
    message = said(script(length=30, rate=30))
    whole = asyncio.create_task(openai.chat.completions.create(model="plain", messages=message))
    stream = await openai.chat.completions.create(model="plain", messages=message, stream=True)
    chunks = []
    with pytest.raises(sdk.APIError) as failed:
        async for chunk in stream:
            chunks.append(chunk)
            if len(chunks) == 5:
                stack.workers[0].signal(signal.SIGKILL)
                await stack.add_worker()
    assert failed.value.code == "worker_lost"
    assert expected_text({"length": 30}).startswith(text_of(chunks))
    assert (await whole).choices[0].message.content == expected_text({"length": 30})


# Going away


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("first_token_delay_s", [0, 60])
async def test_a_client_that_leaves_stops_the_model(
    own_stack: StartStack,
    open_client: OpenClient,
    session: ClientSession,
    stream: bool,
    first_token_delay_s: float,
) -> None:
    """Before and after the first token, a closed connection closes the upstream within the grace."""
    stack = await own_stack(upstream=True, abandon_grace_s=0.5, lease_s=1)
    message = script(rate=20, length=1000, first_token_delay_s=first_token_delay_s)
    openai = open_client(stack.gateways[0].url)
    asked = asyncio.create_task(
        openai.chat.completions.create(model="upstream", messages=said(message), stream=stream)
    )
    await eventually(lambda: was_asked(stack, session), "the model server is asked")
    if stream:
        answer: Any = await asked
        if not first_token_delay_s:
            await anext(answer)
        await answer.close()
    else:
        asked.cancel()
    left = time.time()
    await eventually(lambda: was_left(stack, session), "the model server's client leaves")
    gone = (await seen_upstream(stack, session))[0]["disconnected"]
    assert gone - left < 0.5 + 1 + 0.5  # the grace, a renewal, and what this machine needs


async def test_a_client_may_leave_what_is_to_continue(
    own_stack: StartStack, open_client: OpenClient, session: ClientSession
) -> None:
    """With on_disconnect=continue, as with the native API, a closed connection stops nothing."""
    stack = await own_stack(upstream=True, abandon_grace_s=0.1, lease_s=1)
    chat = ChatClient(session, stack.gateways[0].url)
    openai = open_client(stack.gateways[0].url)
    message = script(rate=20, length=30)
    answer = await openai.chat.completions.create(
        model="upstream", messages=said(message), stream=True, extra_body={"on_disconnect": "continue"}
    )
    await anext(answer)
    await answer.close()
    async with await chat.send(message, model="upstream") as reader:
        await reader.until("chunk")
    ids = [answer.response.headers["x-generation-id"], reader.generation_id]
    for generation_id in ids:
        async with await chat.resume(generation_id) as resumed:
            await resumed.all()
            assert resumed.text == expected_text({"length": 30})
    assert [seen["steps"] for seen in await seen_upstream(stack, session)] == [30 + 1] * 2


async def test_a_draining_gateway_finishes_what_cannot_be_resumed(
    own_stack: StartStack, open_client: OpenClient
) -> None:
    """Clients that would not come back get their whole answer from a gateway that is going away."""
    stack = await own_stack(drain_grace_s=10)
    openai = open_client(stack.gateways[0].url)
    message = said(script(rate=20, length=20))
    whole = asyncio.create_task(openai.chat.completions.create(model="scripted", messages=message))
    stream = await openai.chat.completions.create(model="scripted", messages=message, stream=True)
    chunks = [await anext(stream), await anext(stream)]
    await eventually(lambda: len(stack.redis.keys("hr:gen:*")) == 2, "both are under way")
    stack.gateways[0].signal(signal.SIGTERM)
    chunks += [chunk async for chunk in stream]
    assert text_of(chunks) == expected_text({"length": 20})
    assert (await whole).choices[0].message.content == expected_text({"length": 20})
    await stack.add_gateway()
