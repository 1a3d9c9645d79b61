"""What OpenAI's Python client makes of a running `headrace up` that refuses, fails or is busy."""

import asyncio
from typing import Any

import openai as sdk
import pytest
from openai import AsyncOpenAI

from tests.conftest import OpenClient
from tests.e2e.system import MAX_QUEUED, System
from tests.kit import node_clients
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.node_clients import play
from tests.kit.openai_streams import CHAT, chunks_of, said, text_of
from worker.backends.script import expected_text


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


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": "x", "background": True, "store": False}, "store"),
        ({"input": "x", "extra_body": {"conversation": {"name": "c"}}}, "conversation"),
        ({"input": "x", "tools": [{"type": "function"}]}, "tools[0].name"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "input[0].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
            "input[0].content[0]",
        ),
        ({"input": []}, "input"),
    ],
)
async def test_what_a_response_cannot_honour_is_refused_by_name(
    openai: AsyncOpenAI, fields: dict[str, Any], param: str
) -> None:
    """A field that we cannot honour is a BadRequestError that names it."""
    with pytest.raises(sdk.BadRequestError) as refused:
        await openai.responses.create(**{"model": "scripted"} | fields)
    assert refused.value.param == param


async def test_errors_are_the_clients_own(openai: AsyncOpenAI, chat: ChatClient) -> None:
    """Unknown models and generations are NotFoundErrors, not to be tried again; each has a request id."""
    with pytest.raises(sdk.NotFoundError) as unknown:
        await openai.chat.completions.create(model="nope", messages=said())
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert unknown.value.request_id is not None
    assert unknown.value.response.headers["x-should-retry"] == "false"
    with pytest.raises(sdk.NotFoundError):
        await openai.models.retrieve("nope")
    for method, path, status in (
        ("GET", "/v1/nothing", 404),
        ("GET", CHAT, 405),
        ("GET", f"{CHAT}/gen_x/stream", 404),
    ):
        answer = await chat.call(method, path)
        assert (answer.status, set(answer.body["error"])) == (status, {"message", "type", "param", "code"})
    answer = await chat.call("POST", CHAT, data=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.body["error"]["param"]) == (415, "Content-Type")
    answer = await chat.call("POST", CHAT, data=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status, answer.body["error"]["type"]) == (400, "invalid_request_error")


async def test_a_full_queue_is_a_rate_limit_with_retry_after(
    system: System, openai: AsyncOpenAI, open_client: OpenClient
) -> None:
    """Too much work is a RateLimitError that says when to come back; the client tries again by itself."""
    node_clients.install()

    async def wait_after_it() -> str:
        silent = script(stall_after=0)
        return (await openai.responses.create(model="single", input=silent, background=True)).id

    first = await wait_after_it()
    await eventually(lambda: runs(openai, first), "the first runs")
    waiting = [await wait_after_it() for _ in range(MAX_QUEUED)]
    with pytest.raises(sdk.RateLimitError) as refused:
        await openai.chat.completions.create(model="single", messages=said())
    assert refused.value.response.headers["retry-after"] == "2"
    assert "x-should-retry" not in refused.value.response.headers

    asked = {"model": "single", "messages": said()}
    node = (await play("openai_chat", url=system.elsewhere, request=asked, whole=True))["error"]
    assert (node["name"], node["headers"]["retry-after"]) == ("RateLimitError", "2")

    seen: list[int] = []

    async def saw(response: Any) -> None:
        seen.append(response.status_code)

    async with sdk.DefaultAsyncHttpxClient(event_hooks={"response": [saw]}) as http:
        patient = open_client(system.url, max_retries=2, http_client=http)
        answer = asyncio.create_task(patient.chat.completions.create(model="single", messages=said()))
        await eventually(lambda: seen == [429], "the patient client is refused once")
        await asyncio.gather(*(openai.responses.cancel(each) for each in [first, *waiting]))
        assert (await answer).choices[0].message.content == expected_text({"length": 20})
    assert seen == [429, 200]


async def runs(openai: AsyncOpenAI, response_id: str) -> bool:
    """Whether a worker has taken it."""
    return (await openai.responses.retrieve(response_id)).status == "in_progress"


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


async def test_a_repeated_submission_is_answered_once(openai: AsyncOpenAI) -> None:
    """The same Idempotency-Key gives the same answer, streamed or whole."""
    headers = {"Idempotency-Key": "chat-1"}
    first = await chunks_of(openai, extra_headers=headers)
    assert await chunks_of(openai, extra_headers=headers) == first
    headers = {"Idempotency-Key": "chat-2"}
    whole = [
        await openai.chat.completions.create(model="scripted", messages=said(), extra_headers=headers)
        for _ in range(2)
    ]
    assert whole[0] == whole[1]
    with pytest.raises(sdk.UnprocessableEntityError):
        await openai.chat.completions.create(model="plain", messages=said(), extra_headers=headers)
