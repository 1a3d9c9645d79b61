"""P10: a repeated submission generates once."""

import asyncio

from aiohttp import ClientSession

from tests.kit import invariants
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.stack import Stack

KEY = {"Idempotency-Key": "order-66"}


async def test_the_same_request_again(stack: Stack, chat: ChatClient, elsewhere: ChatClient) -> None:
    """The second submission of a key gets the first one's stream, at any gateway."""
    first = await chat.ask(script(length=5), headers=KEY, conversation_id="c1")
    second = await elsewhere.ask(script(length=5), headers=KEY, conversation_id="c1")
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.generation_id == first.generation_id
    assert second.frames == first.frames
    assert len(invariants.generations(stack.redis)) == 1
    assert len((await chat.conversation("c1"))["messages"]) == 2


async def test_at_once(stack: Stack, chat: ChatClient, elsewhere: ChatClient) -> None:
    """Of ten that come at once one is generated, and all ten are answered."""
    readers = await asyncio.gather(
        *((chat, elsewhere)[i % 2].ask(script(length=10, rate=100), headers=KEY) for i in range(10))
    )
    assert len({reader.generation_id for reader in readers}) == 1
    assert all(reader.frames == readers[0].frames for reader in readers)
    assert sum("Idempotent-Replayed" not in reader.headers for reader in readers) == 1
    assert len(invariants.generations(stack.redis)) == 1


async def test_while_it_runs(chat: ChatClient) -> None:
    """A submission repeated in mid-stream gets all of the stream."""
    async with await chat.send(script(length=30, rate=100), headers=KEY) as first:
        await first.until("chunk", 5)
        second = await chat.ask(script(length=30, rate=100), headers=KEY)
        await first.all()
    assert second.frames == first.frames


async def test_another_request(chat: ChatClient) -> None:
    """The same key with another request is refused: it would be answered with the wrong text."""
    await chat.ask("One", headers=KEY)
    refused = await chat.submit("Two", headers=KEY)
    assert refused.status == 422
    assert refused.error["code"] == "idempotency_mismatch"
    assert refused.error["field"] == "Idempotency-Key"
    refused = await chat.submit("One", headers=KEY, max_tokens=5)
    assert refused.status == 422


async def test_another_owner(local: Local, session: ClientSession) -> None:
    """Keys of different owners have nothing to do with each other."""
    await local.start(api_keys="alice-key,bob-key")
    alice, bob = (ChatClient(session, local.url, f"{name}-key") for name in ("alice", "bob"))
    first = await alice.ask("One", headers=KEY)
    second = await bob.ask("Two", headers=KEY)
    assert first.generation_id != second.generation_id
    assert second.end.type == "end"


async def test_a_refused_submission_uses_no_key(chat: ChatClient) -> None:
    """A key that came with a refused request is still free."""
    assert (await chat.submit("", headers=KEY)).status == 400
    assert (await chat.ask("One", headers=KEY)).end.type == "end"
