"""
Many cells behave as one, wherever the promises do not speak of brokers: on one broker, and on a
cluster.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

from shared import keys
from shared.cells import Cells
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local

CELLS = 8


@pytest.fixture
async def chat(local: Local, session: ClientSession) -> AsyncIterator[ChatClient]:
    """A client of a gateway and a worker over eight cells of one broker."""
    await local.start(cells=CELLS)
    yield ChatClient(session, local.url)


async def test_conversations_of_all_cells_are_listed(local: Local, chat: ChatClient) -> None:
    """The last used first, page by page, wherever each is; searching finds in all of them."""
    names = [f"c{i}" for i in range(20)]
    for name in names:
        await chat.ask(script(length=2), conversation_id=name)
    assert len({Cells(CELLS).of_conversation("x", name).number for name in names}) > 3
    listed: list[str] = []
    query = "?limit=7"
    while True:
        page = await _listed(chat, query)
        listed += [each["id"] for each in page["conversations"]]
        if "next" not in page:
            break
        query = f"?limit=7&before={page['next']}"
    assert listed == names[::-1]
    found = await _listed(chat, "?q=length")
    assert [each["id"] for each in found["conversations"]] == names[::-1]


async def _listed(chat: ChatClient, query: str) -> Any:
    return (await chat.call("GET", f"/api/conversations{query}")).body


async def test_generations_spread(local: Local, chat: ChatClient) -> None:
    """They come to an end in whichever cell they are, and each id says which that is."""
    readers = await asyncio.gather(*(chat.ask(script(length=3)) for _ in range(40)))
    assert all(reader.end.type == "end" for reader in readers)
    cells = {reader.generation_id[4:6] for reader in readers}
    assert len(cells) > 3
    assert all(
        local.redis.exists(
            Cells(CELLS).of_generation(reader.generation_id).key(keys.LOG, reader.generation_id)
        )
        for reader in readers
    )


async def test_an_owner_keeps_so_many_in_all(local: Local, session: ClientSession) -> None:
    """The bound on conversations is over all cells: the one used least recently goes, wherever it is."""
    chat = ChatClient(session, await local.start(cells=CELLS, max_conversations=5))
    for i in range(9):
        await chat.ask(script(length=2), conversation_id=f"c{i}")
    listed = (await _listed(chat, ""))["conversations"]
    assert [each["id"] for each in listed] == [f"c{i}" for i in range(8, 3, -1)]
    assert (await chat.call("GET", "/api/conversations/c0")).status == 404


async def test_what_is_new_is_not_what_makes_room(local: Local, session: ClientSession) -> None:
    """Where all others are being answered, one that was just made stays: asked, imported or copied."""
    chat = ChatClient(session, await local.start(cells=CELLS, max_conversations=1))
    await chat.ask(script(length=2), conversation_id="old")
    archive = (await chat.call("GET", "/api/conversations/old/export?format=json")).body
    async with await chat.send(script(length=1000, rate=20), conversation_id="busy") as reader:
        await reader.until("chunk")
        imported = await chat.call("POST", "/api/conversations/import", json=archive)
        assert (imported.status, imported.body["id"]) == (201, await _only_beside(chat, "busy"))
        copied = await chat.call("POST", f"/api/conversations/{imported.body['id']}/fork")
        assert (copied.status, copied.body["id"]) == (201, await _only_beside(chat, "busy"))
        for name in ("a", "b", "c"):
            await chat.ask(script(length=1), conversation_id=name)
            assert await _only_beside(chat, "busy") == name
        await chat.cancel(reader.generation_id)


async def _only_beside(chat: ChatClient, name: str) -> str:
    """The one conversation there is beside that one, which stays."""
    ids = {each["id"] for each in (await _listed(chat, ""))["conversations"]}
    assert name in ids
    [other] = ids - {name}
    return str(other)


async def test_a_queue_is_bounded_in_all(local: Local, session: ClientSession) -> None:
    """No worker takes anything: the queue is full once all cells together hold so many."""
    chat = ChatClient(session, await local.start(cells=CELLS, max_queued=4, worker=False))
    for _ in range(4):
        async with await chat.send():
            pass
    assert [(await chat.submit()).status for _ in range(5)] == [429] * 5


async def test_a_response_joins_its_conversation(chat: ChatClient) -> None:
    """Wherever that is: what was said in it is there, and the next response hears it."""
    for name in (f"c{i}" for i in range(4)):
        await chat.ask(script(length=2), conversation_id=name)
        body = {"conversation": name, "input": script(length=3)}
        made = await chat.call("POST", "/v1/responses", json=body)
        assert made.status == 200, made
        messages = (await chat.conversation(name))["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant"] * 2
        assert messages[-1]["content"] == made.body["output"][0]["content"][0]["text"]
