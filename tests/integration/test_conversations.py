"""Conversations: listed, read, attached to, and sent to the model within bounds."""

from typing import Any

import pytest
from aiohttp import ClientSession

from shared import keys
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.stack import MODELS, Stack, upstream_model
from tests.kit.upstream import FakeUpstream


async def test_messages(chat: ChatClient) -> None:
    """A conversation holds both sides' messages, oldest first, with how each reply ended."""
    await chat.ask("First question", conversation_id="c1")
    failed = await chat.ask(
        script(length=9, fail_after=2, fail_code="upstream_invalid"), conversation_id="c1"
    )
    conversation = await chat.conversation("c1")
    messages = conversation["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "user", "assistant"]
    assert messages[0]["content"] == "First question"
    assert [m.get("state") for m in messages] == [None, "done", None, "failed"]
    assert messages[3]["content"] == failed.text != ""
    headline = conversation["conversation"]
    assert (headline["id"], headline["title"], headline["active"]) == ("c1", "First question", None)


async def test_list(chat: ChatClient) -> None:
    """Conversations are listed by last use, and `limit` bounds them."""
    for conversation_id in ("a", "b", "c", "a"):
        await chat.ask("Hi", conversation_id=conversation_id)
    listed = (await chat.call("GET", "/api/conversations")).body["conversations"]
    assert [conversation["id"] for conversation in listed] == ["a", "c", "b"]
    listed = (await chat.call("GET", "/api/conversations?limit=1")).body["conversations"]
    assert [conversation["id"] for conversation in listed] == ["a"]


@pytest.mark.one_cell
async def test_pages(chat: ChatClient, stack: Stack) -> None:
    """`next` leads through all conversations, each of them once, also of several used at once."""
    ids = [f"c{number}" for number in range(7)]
    for conversation_id in ids:
        await chat.ask("Hi", conversation_id=conversation_id)
    [listing] = stack.redis.keys(keys.CONVERSATIONS + "*")
    stack.redis.zadd(listing, dict.fromkeys(ids[2:5], 1_000) | dict.fromkeys(ids[:2], 999))
    whole = await read_pages(chat, {"limit": "200"})
    assert len(whole) == 1 and sorted(whole[0]) == ids
    for limit in (1, 2, 3, 7):
        pages = await read_pages(chat, {"limit": str(limit)})
        assert [each for page in pages for each in page] == whole[0]
        assert {len(page) for page in pages[:-1]} <= {limit}
        assert pages[-1], "nothing is said to follow where nothing does"
    for before in ("", "x", "-1", "1", "1-", "\u0661-c1", "9" * 16 + "-c1"):
        refused = await chat.call("GET", "/api/conversations", params={"before": before})
        assert (refused.status, refused.error["field"]) == (400, "before")


async def read_pages(chat: ChatClient, asked: dict[str, str]) -> list[list[str]]:
    """The ids of every page, from the first on."""
    pages: list[list[str]] = []
    while True:
        answer = (await chat.call("GET", "/api/conversations", params=asked)).body
        pages.append([conversation["id"] for conversation in answer["conversations"]])
        if "next" not in answer:
            return pages
        asked = {**asked, "before": answer["next"]}


async def test_a_limit_that_is_none(chat: ChatClient) -> None:
    """`limit` is a number from 1 to 200."""
    for limit in ("0", "201", "-1", "x", "1e9", "\u0661"):
        refused = await chat.call("GET", f"/api/conversations?limit={limit}")
        assert refused.status == 400
        assert refused.error["field"] == "limit"


async def test_unknown(chat: ChatClient) -> None:
    """A conversation that there is not is 404, in both its views."""
    for path in ("/api/conversations/nothing", "/api/conversations/nothing/stream"):
        answer = await chat.call("GET", path)
        assert (answer.status, answer.error["field"]) == (404, "conversation_id")


async def test_attach_to_the_active_generation(chat: ChatClient, elsewhere: ChatClient) -> None:
    """A conversation's stream is that of the generation that answers right now, from any gateway."""
    async with await chat.send(script(length=30, rate=50), conversation_id="c1") as first:
        await first.until("chunk", 3)
        assert (await chat.conversation("c1"))["conversation"]["active"] == first.generation_id
        async with await elsewhere.open("GET", "/api/conversations/c1/stream") as second:
            await second.all()
        await first.all()
    assert second.generation_id == first.generation_id
    assert second.ids == [f"{first.generation_id}/{at}" for at in first.ids]
    assert [frame.data for frame in second.frames] == [frame.data for frame in first.frames]


async def test_attach_when_nothing_is_active(chat: ChatClient) -> None:
    """With nothing to attach to the answer is 204."""
    await chat.ask(conversation_id="c1")
    assert (await chat.call("GET", "/api/conversations/c1/stream")).status == 204


async def test_history_is_sent_to_the_model(local: Local, session: ClientSession) -> None:
    """The model gets the conversation so far, oldest first, the new message last."""
    async with FakeUpstream(echo=True) as upstream:
        await local.start(upstream_model(upstream.url))
        chat = ChatClient(session, local.url)
        for message in ("one", "two", "three"):
            await chat.ask(message, conversation_id="c1")
        await chat.ask("elsewhere", conversation_id="c2")
    assert turns(upstream) == [
        [("user", "one")],
        [("user", "one"), ("assistant", "one"), ("user", "two")],
        [
            *[("user", "one"), ("assistant", "one"), ("user", "two"), ("assistant", "two")],
            ("user", "three"),
        ],
        [("user", "elsewhere")],
    ]


async def test_a_stopped_reply_is_part_of_the_history(local: Local, session: ClientSession) -> None:
    """What a cancelled reply had said is sent to the model like any other turn."""
    async with FakeUpstream(length=5, stall_after=2) as upstream:
        await local.start(upstream_model(upstream.url))
        chat = ChatClient(session, local.url)
        async with await chat.send("one", conversation_id="c1") as reader:
            await reader.until("chunk", 2)
            await chat.cancel(reader.generation_id)
        async with await chat.send("two", conversation_id="c1") as second:
            await second.until("chunk")
            await chat.cancel(second.generation_id)
    assert turns(upstream)[1] == [("user", "one"), ("assistant", reader.text), ("user", "two")]


async def test_history_is_bounded_in_tokens(local: Local, session: ClientSession) -> None:
    """Only the newest messages that fit the model's context are sent, the last one always."""
    async with FakeUpstream(echo=True) as upstream:
        await local.start(upstream_model(upstream.url, max_context_tokens=60))
        chat = ChatClient(session, local.url)
        for message in ("a" * 80, "b" * 80, "c" * 400):
            await chat.ask(message, conversation_id="c1")
    sent = turns(upstream)
    assert sent[1] == [("assistant", "a" * 80), ("user", "b" * 80)]
    assert sent[2] == [("user", "c" * 400)]


async def test_history_is_bounded_in_number(local: Local, session: ClientSession) -> None:
    """A conversation keeps its newest messages; so do an owner's conversations."""
    await local.start(MODELS, max_conversation_messages=3, max_conversations=2)
    chat = ChatClient(session, local.url)
    for message in ("one", "two", "three"):
        last = await chat.ask(message, conversation_id="c1")
    kept = (await chat.conversation("c1"))["messages"]
    assert [m["role"] for m in kept] == ["assistant", "user", "assistant"]
    await chat.ask(conversation_id="c1", replaces=last.generation_id)
    assert local.redis.keys(keys.ASIDE + "*")
    for conversation_id in ("c2", "c3"):
        await chat.ask(conversation_id=conversation_id)
    listed = (await chat.call("GET", "/api/conversations")).body["conversations"]
    assert [conversation["id"] for conversation in listed] == ["c3", "c2"]
    assert not local.redis.keys("*:c1"), "nothing is left of the first"


async def test_a_conversation_that_is_being_answered_stays_listed(
    local: Local, session: ClientSession
) -> None:
    """Others may come in any number: it is listed, and what is not listed is gone."""
    await local.start(MODELS, max_conversations=2)
    chat = ChatClient(session, local.url)
    async with await chat.send(script(rate=20, length=1000), conversation_id="c1") as reader:
        await reader.until("chunk")
        async with await chat.send(script(rate=20, length=1000), conversation_id="c1b") as other:
            await other.until("chunk")
            await chat.ask(conversation_id="c1c")
            assert await listed(chat) == kept(local) == ["c1", "c1b", "c1c"]
            await chat.cancel(other.generation_id)
        for conversation_id in ("c2", "c3", "c4"):
            await chat.ask(conversation_id=conversation_id)
        assert await listed(chat) == kept(local) == ["c1", "c4"]
        await chat.cancel(reader.generation_id)
    assert (await chat.conversation("c1"))["messages"][-1]["content"]
    await chat.ask(conversation_id="c5")
    assert await listed(chat) == kept(local) == ["c4", "c5"]
    for key in local.redis.keys(keys.CONVERSATION + "*"):
        owner, _, name = key.decode().removeprefix(keys.CONVERSATION).partition(":")
        listed_in = local.state.broker.cells.of_conversation(owner, name).key(keys.CONVERSATIONS, owner)
        assert local.redis.pexpiretime(key) <= local.redis.pexpiretime(listed_in)


async def listed(chat: ChatClient) -> list[str]:
    """The ids that the owner sees, by name."""
    found = (await chat.call("GET", "/api/conversations")).body["conversations"]
    return sorted(conversation["id"] for conversation in found)


def kept(local: Local) -> list[str]:
    """The ids of which any key is kept."""
    found = [
        key for kind in (keys.CONVERSATION, keys.MESSAGES, keys.NEXT) for key in local.redis.keys(kind + "*")
    ]
    return sorted({key.decode().rpartition(":")[2] for key in found})


def turns(upstream: FakeUpstream) -> list[list[tuple[Any, Any]]]:
    """What each upstream request said, as roles and contents."""
    return [[(m["role"], m["content"]) for m in seen.body["messages"]] for seen in upstream.requests]


async def test_a_long_conversation_is_read_page_by_page(local: Local, session: ClientSession) -> None:
    """Of a conversation of more pages than one the model gets every message that fits, in order."""
    async with FakeUpstream(echo=True) as upstream:
        await local.start(upstream_model(upstream.url, max_context_tokens=330))
        chat = ChatClient(session, local.url)
        for number in range(60):
            await chat.ask(f"message {number:02}", conversation_id="c1")
    sent = [content for _, content in turns(upstream)[-1]]
    said = [f"message {number:02}" for number in range(60) for _ in range(2)][:-1]
    assert 100 < len(sent) < len(said)
    assert sent == said[-len(sent) :]
