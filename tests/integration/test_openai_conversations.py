"""OpenAI's conversations: made, read, added to, joined by responses, and the same that our own API has."""

from collections.abc import AsyncIterator
from typing import Any

import openai as sdk
import pytest
from aiohttp import ClientSession
from openai import AsyncOpenAI

from tests.conftest import OpenClient, StartStack
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.stack import MODELS, upstream_model
from tests.kit.upstream import FakeUpstream
from worker.backends.script import expected_text

TOOL: Any = {"type": "function", "name": "read_level", "parameters": {"type": "object"}, "strict": False}
PICTURE = {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    """The model server that is asked."""
    async with FakeUpstream(length=4) as upstream:
        yield upstream


@pytest.fixture
async def openai(local: Local, open_client: OpenClient, upstream: FakeUpstream) -> AsyncOpenAI:
    """OpenAI's client of a gateway before that server."""
    return open_client(await local.start(MODELS + upstream_model(upstream.url)))


async def listed(openai: AsyncOpenAI, conversation_id: str, **query: Any) -> list[Any]:
    """All items of a conversation, oldest first."""
    pages = openai.conversations.items.list(conversation_id, order="asc", limit=2, **query)
    return [item async for item in pages]


async def test_a_life(openai: AsyncOpenAI) -> None:
    """It is made with items and metadata, read, changed, added to and deleted."""
    made = await openai.conversations.create(
        items=[{"role": "user", "content": "One"}, {"role": "assistant", "content": "Two"}],
        metadata={"k": "v"},
    )
    assert (made.object, made.metadata) == ("conversation", {"k": "v"})
    assert (await openai.conversations.update(made.id, metadata={"k": "w"})).metadata == {"k": "w"}
    assert (await openai.conversations.retrieve(made.id)).metadata == {"k": "w"}
    added: Any = [{"role": "user", "content": [{"type": "input_text", "text": "Three"}, PICTURE]}]
    [item] = (await openai.conversations.items.create(made.id, items=added)).data
    items = await listed(openai, made.id)
    assert [each.role for each in items] == ["user", "assistant", "user"]
    assert [each.content[0].text for each in items] == ["One", "Two", "Three"]
    assert items[-1] == await openai.conversations.items.retrieve(item.id, conversation_id=made.id)  # type: ignore[arg-type]
    assert (await openai.conversations.delete(made.id)).deleted
    with pytest.raises(sdk.NotFoundError):
        await openai.conversations.items.create(made.id, items=added)
    with pytest.raises(sdk.NotFoundError):
        await openai.conversations.update(made.id, metadata={"k": "v"})
    for call in (openai.conversations.retrieve, openai.conversations.delete, openai.conversations.items.list):
        with pytest.raises(sdk.NotFoundError):
            await call(made.id)


async def test_responses_join_it(openai: AsyncOpenAI, upstream: FakeUpstream, local: Local) -> None:
    """A response's input and output join it, tools and pictures too, and are before the next one's input."""
    made = await openai.conversations.create(items=[{"role": "developer", "content": "Be brief."}])
    common: dict[str, Any] = {"model": "upstream", "conversation": made.id, "tools": [TOOL]}
    said: Any = [
        {"role": "user", "content": [{"type": "input_text", "text": script(tool_call=True)}, PICTURE]}
    ]
    first = await openai.responses.create(input=said, **common)
    assert first.conversation is not None
    assert first.conversation.id == made.id
    call: Any = first.output[-1]
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "1.2"}
    second = await openai.responses.create(input=[output], **common)
    assert second.output_text == expected_text({"length": 4})
    third = await openai.responses.create(input="And now?", **common)
    assert third.status == "completed"
    sent = upstream.requests[-1].body["messages"]
    assert [message["role"] for message in sent] == [
        *("developer", "user", "assistant", "tool", "assistant", "user"),
    ]
    assert sent[1]["content"][1]["type"] == "image_url"
    assert sent[2]["tool_calls"][0]["id"] == sent[3]["tool_call_id"] == call.call_id
    kinds = [item.type for item in await listed(openai, made.id)]
    assert kinds == [
        *("message", "message", "message", "function_call", "function_call_output"),
        *("message", "message", "message"),
    ]


async def test_a_call_that_nobody_answers(openai: AsyncOpenAI, upstream: FakeUpstream) -> None:
    """It stays an item, and is not shown to the model, whose server would refuse it."""
    made = await openai.conversations.create()
    common: dict[str, Any] = {"model": "upstream", "conversation": {"id": made.id}, "tools": [TOOL]}
    await openai.responses.create(input=script(tool_call=True, length=1), **common)
    await openai.responses.create(input="Never mind.", **common)
    assert not any(message.get("tool_calls") for message in upstream.requests[-1].body["messages"])
    assert "function_call" in [item.type for item in await listed(openai, made.id)]


async def test_the_same_as_ours(openai: AsyncOpenAI, local: Local, session: ClientSession) -> None:
    """A conversation of our own API is one of these, and the other way round; what was cut says so."""
    chat = ChatClient(session, local.url)
    await chat.ask(script(length=3), conversation_id="c1")
    await chat.ask(script(fail_after=3, fail_code="upstream_rejected"), conversation_id="c1")
    await chat.ask(script(finish_reason="length"), conversation_id="c1", model="upstream")
    items = await listed(openai, "c1")
    assert [(item.role, item.content[0].text) for item in items[:2]] == [
        ("user", script(length=3)),
        ("assistant", expected_text({"length": 3})),
    ]
    assert [item.status for item in items[1::2]] == ["completed", "incomplete", "incomplete"]
    made = await openai.conversations.create(items=[{"role": "user", "content": "One"}])
    await openai.responses.create(model="scripted", conversation=made.id, input="Two")
    answer = await chat.call("GET", f"/api/conversations/{made.id}")
    assert [message["content"] for message in answer.body["messages"]][:2] == ["One", "Two"]
    assert answer.body["conversation"]["title"] == "One"


@pytest.mark.parametrize(
    "fields",
    [
        {"conversation": "conv_nope", "input": "x"},
        {"conversation": {"name": "x"}, "input": "x"},
        {"conversation": "c", "previous_response_id": "resp_x", "input": "x"},
    ],
)
async def test_what_is_refused(openai: AsyncOpenAI, fields: dict[str, Any]) -> None:
    """A conversation that is not there, or beside a previous response, is refused by name."""
    with pytest.raises(sdk.APIStatusError) as refused:
        await openai.responses.create(model="scripted", **fields)
    assert refused.value.status_code in {400, 404}
    assert refused.value.param == "conversation"


async def test_strangers_find_nothing(own_stack: StartStack, open_client: OpenClient) -> None:
    """A conversation of another owner is not found, in whichever way it is asked for."""
    stack = await own_stack(api_keys="one,two")
    url = stack.gateways[0].url
    mine = await open_client(url, api_key="one").conversations.create(
        items=[{"role": "user", "content": "x"}]
    )
    stranger = open_client(url, api_key="two")
    for call in (
        stranger.conversations.retrieve,
        stranger.conversations.delete,
        stranger.conversations.items.list,
    ):
        with pytest.raises(sdk.NotFoundError):
            await call(mine.id)
    with pytest.raises(sdk.NotFoundError):
        await stranger.responses.create(model="scripted", conversation=mine.id, input="x")
