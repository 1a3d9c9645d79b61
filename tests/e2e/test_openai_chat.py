"""Chat completions of a running `headrace up`, as OpenAI's Python client sees them."""

import json
from typing import Any

from aiohttp import ClientSession
from openai import AsyncOpenAI

from tests.e2e.system import System
from tests.kit.chat_client import ChatClient, script
from tests.kit.openai_streams import CHAT, blocks_of, chunks_of, id_of, said, text_of
from worker.backends.script import expected_text

TOOL: Any = {"type": "function", "function": {"name": "read_level", "parameters": {"type": "object"}}}


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
    openai: AsyncOpenAI, system: System, session: ClientSession
) -> None:
    """Tools reach the upstream as they are; the client's accumulator gets the whole call."""
    message = script(tool_call=True, length=2)
    async with openai.chat.completions.stream(
        model="upstream", messages=said(message), tools=[TOOL], tool_choice="auto"
    ) as stream:
        async for _ in stream:
            pass
        streamed = (await stream.get_final_completion()).choices[0]
    assert (await system.asked(session))[-1]["body"]["tools"] == [TOOL]
    whole = await openai.chat.completions.create(model="upstream", messages=said(message), tools=[TOOL])
    for choice in (streamed, whole.choices[0]):
        assert choice.finish_reason == "tool_calls"
        assert choice.message.tool_calls is not None
        call: Any = choice.message.tool_calls[0]
        assert (call.id, call.type, call.function.name) == ("call_fake", "function", "read_level")
        assert json.loads(call.function.arguments) == {"gate": "upper"}


async def test_what_is_said_to_the_model_is_passed_on(
    openai: AsyncOpenAI, system: System, session: ClientSession
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
    body = (await system.asked(session))[-1]["body"]
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


async def raw_stream(
    session: ClientSession, url: str, message: str, **fields: Any
) -> tuple[str, list[bytes]]:
    """A generation's id and all blocks of its stream."""
    body = {"messages": said(message), "stream": True, "stream_options": {"include_usage": True}} | fields
    async with session.post(url + CHAT, json=body) as response:
        assert response.status == 200
        return response.headers["X-Generation-Id"], blocks_of(await response.read())


async def test_every_position_resumes_exactly_the_rest(system: System, session: ClientSession) -> None:
    """For every event, Last-Event-ID yields the same bytes as the uncut stream has after it."""
    message = script(length=6, reasoning=2, tool_call=True)
    generation_id, blocks = await raw_stream(session, system.url, message)
    assert blocks[-1].endswith(b"data: [DONE]")
    ids = [id_of(block) for block in blocks]
    assert ids[-1] == f"1-{1 + 2 + 6 + 3}"
    for k, at in enumerate(ids):
        if at is None:
            continue
        url = f"{system.elsewhere}{CHAT}/{generation_id}/stream"
        async with session.get(url, headers={"Last-Event-ID": at}) as response:
            assert response.status == (204 if at == ids[-1] else 200)
            assert blocks_of(await response.read()) == blocks[k + 1 :]


async def test_a_chunks_id_resumes_too(openai: AsyncOpenAI, session: ClientSession, system: System) -> None:
    """A stream can be found again by the id that its chunks carry."""
    chunk = (await chunks_of(openai))[0]
    async with session.get(f"{system.elsewhere}{CHAT}/{chunk.id}/stream?after=1-20") as response:
        assert (await response.read()).count(b'"choices"') == 1
