"""OpenAI's streams whose worker is killed in mid-answer, at a running `headrace up`."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import openai as sdk
import pytest
from aiohttp import ClientResponse, ClientSession
from openai import AsyncOpenAI

from tests.e2e.system import System
from tests.kit.chat_client import script
from tests.kit.openai_streams import (
    CHAT,
    RESPONSES,
    blocks_of,
    data_of,
    frames_of,
    id_of,
    said,
    tail,
    text_of,
)
from worker.backends.script import expected_text

MESSAGE = script(length=30, rate=30)
TEXT = expected_text({"length": 30})
STRUCK_AFTER = 8


async def read_and_strike(response: ClientResponse, delta: bytes, strike: Callable[[], Any]) -> bytes:
    """All of *response*; *strike* is called when it has some deltas."""
    raw = b""
    while raw.count(delta) < STRUCK_AFTER:
        raw += await response.content.readany()
    strike()
    return raw + await response.read()


async def test_every_position_of_a_completion(system: System, session: ClientSession) -> None:
    """P3: the answer goes on as one text, and every position resumes exactly the rest, at either gateway."""
    body = {"messages": said(MESSAGE), "model": "scripted", "stream": True, "on_disconnect": "continue"}
    async with session.post(system.url + CHAT, json=body) as response:
        generation_id = response.headers["X-Generation-Id"]
        blocks = blocks_of(await read_and_strike(response, b'"content"', system.kill_worker))
    deltas = [json.loads(block.partition(b"data: ")[2]) for block in blocks[:-1]]
    assert "".join(c["delta"].get("content", "") for d in deltas for c in d["choices"]) == TEXT
    positions = {k: at for k, block in enumerate(blocks) if (at := id_of(block)) is not None}
    assert {at.partition("-")[0] for at in positions.values()} == {"1", "2"}, "two attempts wrote it"
    for k, at in positions.items():
        url = f"{system.elsewhere}{CHAT}/{generation_id}/stream"
        async with session.get(url, headers={"Last-Event-ID": at}) as response:
            assert blocks_of(await response.read()) == blocks[k + 1 :]


async def test_every_number_of_a_response(system: System, session: ClientSession) -> None:
    """P3: the numbers have no trace of it: every k resumes the rest at the other gateway, also meanwhile."""
    live: list[asyncio.Task[list[bytes]]] = []
    body = {"input": MESSAGE, "model": "scripted", "stream": True, "background": True}
    async with session.post(system.url + RESPONSES, json=body) as response:
        response_id = response.headers["Location"].rpartition("/")[2]

        def strike() -> None:
            system.kill_worker()
            live.append(asyncio.create_task(tail(session, system.elsewhere, response_id, 5)))

        frames = frames_of(await read_and_strike(response, b"event: response.output_text.delta", strike))
    assert [data_of(frame)["sequence_number"] for frame in frames[:-1]] == list(range(len(frames) - 1))
    assert data_of(frames[-2])["response"]["output"][0]["content"][0]["text"] == TEXT
    assert await live[0] == frames[6:]
    for k in range(len(frames) - 1):
        assert await tail(session, system.elsewhere, response_id, k) == frames[k + 1 :]


async def test_a_completion_that_starts_over(system: System, openai: AsyncOpenAI) -> None:
    """A model that cannot continue starts over: the stream ends in an error, a whole answer is whole."""
    message = said(MESSAGE)
    whole = asyncio.create_task(openai.chat.completions.create(model="plain", messages=message))
    stream = await openai.chat.completions.create(model="plain", messages=message, stream=True)
    chunks = []
    with pytest.raises(sdk.APIError) as failed:
        async for chunk in stream:
            chunks.append(chunk)
            if len(chunks) == STRUCK_AFTER:
                system.kill_worker()
    assert failed.value.code == "worker_lost"
    assert TEXT.startswith(text_of(chunks))
    assert (await whole).choices[0].message.content == TEXT


async def test_a_response_that_starts_over(
    system: System, session: ClientSession, openai: AsyncOpenAI
) -> None:
    """Where a model cannot continue, an error ends the stream; after it there is a whole new answer."""
    stream = await openai.responses.create(model="plain", input=MESSAGE, stream=True, background=True)
    events: list[Any] = []
    with pytest.raises(sdk.APIError) as broken:
        async for event in stream:
            events.append(event)
            if len(events) == STRUCK_AFTER:
                system.kill_worker()
    assert broken.value.code == "worker_lost"
    response_id, number = events[0].response.id, events[-1].sequence_number + 1
    first = await tail(session, system.elsewhere, response_id)
    assert [data_of(frame)["type"] for frame in first[-2:-1]] == ["error"]
    again = [data_of(frame) for frame in (await tail(session, system.elsewhere, response_id, number))[:-1]]
    assert [event["sequence_number"] for event in again] == list(range(number + 1, number + 1 + len(again)))
    assert [event["type"] for event in again[:2]] == ["response.created", "response.in_progress"]
    assert again[-1]["response"]["output"][0]["content"][0]["text"] == TEXT
    assert (await openai.responses.retrieve(response_id)).output_text == TEXT
