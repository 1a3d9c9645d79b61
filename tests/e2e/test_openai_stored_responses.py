"""Responses that are come back to at a running `headrace up`: asked for, stopped, listed, deleted."""

from typing import Any

import openai as sdk
import pytest
from aiohttp import ClientSession
from openai import AsyncOpenAI

from tests.conftest import OpenClient
from tests.e2e.system import System
from tests.kit.chat_client import script
from tests.kit.eventually import eventually
from tests.kit.openai_streams import RESPONSES
from worker.backends.script import expected_text

TEXT = expected_text({"length": 20})


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


async def test_cancelling_twice_is_cancelling_once(
    system: System, openai: AsyncOpenAI, open_client: OpenClient
) -> None:
    """A response cancelled elsewhere keeps its text, its stream ends, a second cancel changes nothing."""
    elsewhere = open_client(system.elsewhere)
    stream: Any = await openai.responses.create(
        model="scripted", input=script(rate=50, length=1000), stream=True, background=True
    )
    events = []
    async for event in stream:
        events.append(event)
        if len(events) == 6:
            first = await elsewhere.responses.cancel(events[0].response.id)
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


async def test_a_record_outlives_its_log(openai: AsyncOpenAI, system: System, session: ClientSession) -> None:
    """Once the log has expired the response is still there; its events are gone, which is a 410."""
    whole = await openai.responses.create(
        model="scripted", input=script(reasoning=2, tool_call=True, length=3)
    )
    system.redis.delete("hr:log:gen_" + whole.id.removeprefix("resp_"))
    again = await openai.responses.retrieve(whole.id)
    assert again.output == whole.output
    assert (again.status, again.usage) == (whole.status, whole.usage)
    async with session.get(f"{system.url}{RESPONSES}/{whole.id}?stream=true") as response:
        assert response.status == 410


async def test_deleting(openai: AsyncOpenAI, system: System) -> None:
    """A deleted response is nowhere any more; one under way is stopped first."""
    under_way = await openai.responses.create(
        model="scripted", input=script(rate=20, length=1000), background=True
    )
    with pytest.raises(sdk.BadRequestError) as early:
        await openai.responses.create(model="scripted", input="x", previous_response_id=under_way.id)
    assert early.value.param == "previous_response_id"
    await openai.responses.delete(under_way.id)
    for call in (openai.responses.retrieve, openai.responses.cancel, openai.responses.delete):
        with pytest.raises(sdk.NotFoundError):
            await call(under_way.id)
    assert not list(system.redis.scan_iter(match="*" + under_way.id.removeprefix("resp_")))


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


async def test_what_cannot_be_retrieved_is_refused_by_name(openai: AsyncOpenAI) -> None:
    """Query fields that we cannot honour, or that make no sense, are BadRequestErrors too."""
    whole = await openai.responses.create(model="scripted", input="Hello")
    hinted = await openai.responses.retrieve(whole.id, include=["reasoning.encrypted_content"])
    assert hinted.output_text == whole.output_text
    queries: list[dict[str, Any]] = [
        {"include": ["reasoning.encrypted_content"], "extra_query": {"stream": "true"}},
        {"include_obfuscation": True},
        {"extra_query": {"starting_after": "3"}},
        {"extra_query": {"stream": "true", "starting_after": "-1"}},
        {"extra_query": {"stream": "maybe"}},
    ]
    for query in queries:
        with pytest.raises(sdk.BadRequestError):
            await openai.responses.retrieve(whole.id, **query)


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
