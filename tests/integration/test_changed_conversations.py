"""Conversations are renamed, deleted, searched, and read again only when they have changed."""

from typing import Any

from aiohttp import ClientSession

from shared import keys
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.stack import MODELS, Stack

LONG = script(length=1000, rate=100)


async def test_a_message_says_what_it_is_of(chat: ChatClient) -> None:
    """Both messages of a turn name their generation; a reply also its model, its cost and its failure."""
    told = await chat.ask("Hi", conversation_id="c1")
    failing = script(length=9, fail_after=2, fail_code="upstream_invalid")
    failed = await chat.ask(failing, conversation_id="c1")
    messages = (await chat.conversation("c1"))["messages"]
    of = [told.generation_id] * 2 + [failed.generation_id] * 2
    assert [m["generation_id"] for m in messages] == of
    assert [m.get("model") for m in messages] == [None, "scripted"] * 2
    assert [m.get("usage") for m in messages] == [
        *[None, told.end.data["metadata"]["usage"]],
        *[None, failed.end.data["metadata"]["usage"]],
    ]
    assert "error" not in messages[1]
    assert messages[3]["error"]["code"] == "upstream_invalid"
    assert messages[3]["usage"]["completion_tokens"] == 2
    assert messages[3]["error"]["message"] == failed.end.data["content"]


async def test_rename(chat: ChatClient, elsewhere: ChatClient) -> None:
    """A title is cleaned like a message, put on one line, and stays when the conversation goes on."""
    await chat.ask("First question", conversation_id="c1")
    await chat.ask("Other", conversation_id="c2")
    answer = await rename(elsewhere, "c1", "  My\x07 title\nof two lines ")
    assert (answer.status, answer.body["title"], answer.body["id"]) == (200, "My title of two lines", "c1")
    await chat.ask("Second question", conversation_id="c2")
    listed = (await chat.call("GET", "/api/conversations")).body["conversations"]
    assert [c["title"] for c in listed] == ["Other", "My title of two lines"]
    await chat.ask("Second question", conversation_id="c1")
    assert (await chat.conversation("c1"))["conversation"]["title"] == "My title of two lines"


async def test_a_title_that_is_none(chat: ChatClient) -> None:
    """1 to 200 characters, and a conversation that there is."""
    await chat.ask(conversation_id="c1")
    for title in ("", " \n", "\x00", "x" * 201, 7, None):
        refused = await rename(chat, "c1", title)
        assert (refused.status, refused.error["field"]) == (400, "title")
    assert (await rename(chat, "c1", "x" * 200)).status == 200
    assert (await rename(chat, "nothing", "Title")).status == 404


async def test_delete(chat: ChatClient, elsewhere: ChatClient) -> None:
    """What is deleted is gone: from the list, by its id, and for the next conversation of that id."""
    await chat.ask("Mine", conversation_id="c1")
    await chat.ask("Stays", conversation_id="c2")
    assert (await elsewhere.call("DELETE", "/api/conversations/c1")).status == 204
    listed = (await chat.call("GET", "/api/conversations")).body["conversations"]
    assert [c["id"] for c in listed] == ["c2"]
    assert (await chat.call("GET", "/api/conversations/c1")).status == 404
    assert (await chat.call("DELETE", "/api/conversations/c1")).status == 404
    await chat.ask("Anew", conversation_id="c1")
    messages = (await chat.conversation("c1"))["messages"]
    assert [m["content"] for m in messages if m["role"] == "user"] == ["Anew"]


async def test_delete_stops_what_answers(chat: ChatClient, elsewhere: ChatClient, stack: Stack) -> None:
    """The active answer and those that wait are cancelled, and none of them brings the conversation back."""
    async with await chat.send(LONG, conversation_id="c1") as first:
        await first.until("chunk")
        second = await chat.send("Hi", conversation_id="c1", on_busy="queue")
        await second.until("queued")
        assert (await elsewhere.call("DELETE", "/api/conversations/c1")).status == 204
        await first.all()
        await second.all()
    for reader in (first, second):
        assert reader.end.data["metadata"]["finish_reason"] == "cancelled"
        assert reader.end.data["metadata"]["reason"] == "user"
        assert (await chat.status(reader.generation_id))["state"] == "cancelled"
    assert (await chat.call("GET", "/api/conversations/c1")).status == 404
    left = [
        key for kind in (keys.CONVERSATION, keys.MESSAGES, keys.NEXT) for key in stack.redis.keys(kind + "*")
    ]
    assert left == []


async def test_an_answer_that_ends_after_its_conversation(chat: ChatClient, stack: Stack) -> None:
    """A new conversation of the same id gets no reply of the old one."""
    async with await chat.send(LONG, conversation_id="c1") as old:
        await old.until("chunk")
        assert (await chat.call("DELETE", "/api/conversations/c1")).status == 204
        new = await chat.ask(script(text="new"), conversation_id="c1")
        await old.all()
    await eventually(lambda: ended(stack, old.generation_id), "the old answer ends")
    messages = (await chat.conversation("c1"))["messages"]
    assert [m["generation_id"] for m in messages] == [new.generation_id] * 2


async def test_delete_is_durable(local: Local, session: ClientSession) -> None:
    """Whoever deletes may die right after: the answer is stopped in the same step."""
    await local.start(MODELS)
    chat = ChatClient(session, local.url)
    async with await chat.send(LONG, conversation_id="c1") as reader:
        await reader.until("chunk")
        owner = local.redis.hget(keys.RECORD + reader.generation_id, "owner").decode()
        stopped = await local.state.conversations.remove(owner, "c1")
        assert stopped == [reader.generation_id.encode(), b"pushed"]
        await reader.all()
    assert reader.end.data["metadata"]["finish_reason"] == "cancelled"


async def test_search(chat: ChatClient) -> None:
    """`q` finds titles and messages of both sides, in any case and script, the last used first."""
    await chat.ask(script(text="Über Straßen"), conversation_id="streets")
    await chat.ask("什么是 HTTP 请求?", conversation_id="http")
    await chat.ask("HTTP", conversation_id="named")
    await rename(chat, "named", "Requests")
    for query, found in (
        ("http", ["named", "http"]),
        ("STRASSEN", ["streets"]),
        ("请求", ["http"]),
        ("reQuest", ["named"]),
        ("nowhere", []),
        ("  ", ["named", "http", "streets"]),
    ):
        assert [c["id"] for c in await search(chat, query)] == found, query
    assert [c["id"] for c in await search(chat, "http", limit=1)] == ["named"]
    refused = await chat.call("GET", "/api/conversations", params={"q": "x" * 201})
    assert (refused.status, refused.error["field"]) == (400, "q")


async def test_a_hit_shows_its_line(chat: ChatClient) -> None:
    """The newest message with the text gives its line, cut around it; a title that has it gives none."""
    said = "One line\\nthen " + "word " * 30 + "Straße " + "more " * 40 + "\\nand another"
    await chat.ask("An older strasse", conversation_id="c1")
    newest = await chat.ask(script(text="x\ny").replace("x\\ny", said), conversation_id="c1")
    await rename(chat, "c1", "Ways")
    [found] = await search(chat, "STRASSE m")
    assert found["snippet"].startswith("…") and found["snippet"].endswith("…")
    assert "word Straße more" in found["snippet"] and "line" not in found["snippet"]
    assert len(found["snippet"]) < 170
    assert found["hit"] == {"generation_id": newest.generation_id, "role": "user"}
    [found] = await search(chat, "one LINE")
    assert found["snippet"] == "One line"
    [found] = await search(chat, "ways")
    assert "snippet" not in found and "hit" not in found
    [listed] = (await chat.call("GET", "/api/conversations")).body["conversations"]
    assert "snippet" not in listed


async def test_every_hit_is_reached(chat: ChatClient) -> None:
    """More hits than a page holds go on where it ended."""
    for conversation_id in ("a", "b", "c"):
        await chat.ask("HTTP", conversation_id=conversation_id)
        await chat.ask("Other", conversation_id=f"not-{conversation_id}")
    first = (await chat.call("GET", "/api/conversations", params={"q": "http", "limit": "2"})).body
    assert [c["id"] for c in first["conversations"]] == ["c", "b"]
    rest = {"q": "http", "limit": "2", "before": first["next"]}
    second = (await chat.call("GET", "/api/conversations", params=rest)).body
    assert [c["id"] for c in second["conversations"]] == ["a"]
    assert "next" not in second


async def test_search_in_a_long_conversation(chat: ChatClient) -> None:
    """The first message is found after more than one page of others."""
    await chat.ask("needle", conversation_id="c1")
    await rename(chat, "c1", "Hay")
    for _ in range(40):
        await chat.ask(script(length=1), conversation_id="c1")
    assert [c["id"] for c in await search(chat, "NEEDLE")] == ["c1"]


async def test_unchanged(chat: ChatClient, elsewhere: ChatClient) -> None:
    """A conversation that has not changed since its ETag is 304 without a body, from any gateway."""
    await chat.ask("Hi", conversation_id="c1")
    path = "/api/conversations/c1"
    tag = (await chat.call("GET", path)).headers["ETag"]
    assert tag.startswith('W/"')
    same = await elsewhere.call("GET", path, headers={"If-None-Match": tag})
    assert (same.status, same.body, same.headers["ETag"]) == (304, None, tag)
    assert (await chat.call("GET", path, headers={"If-None-Match": "*"})).status == 304
    other = await chat.call("GET", path, headers={"If-None-Match": '"other"'})
    assert (other.status, other.headers["ETag"]) == (200, tag)
    missing = await chat.call("GET", "/api/conversations/none", headers={"If-None-Match": tag})
    assert missing.status == 404


async def test_every_change_has_an_etag_of_its_own(chat: ChatClient) -> None:
    """A turn's beginning and its end, a title, a cut, and a namesake after deletion."""
    tags: list[str] = []

    async def look() -> None:
        tags.append((await chat.call("GET", "/api/conversations/c1")).headers["ETag"])

    first = await chat.ask("Hi", conversation_id="c1")
    await look()
    await rename(chat, "c1", "Title")
    await look()
    async with await chat.send(script(length=50, rate=50), conversation_id="c1") as second:
        await second.until("chunk")
        await look()
        await second.all()
    await look()
    async with await chat.send(LONG, conversation_id="c1", replaces=first.generation_id) as third:
        await third.until("chunk")
        await look()
        await chat.cancel(third.generation_id)
    await look()
    await chat.call("DELETE", "/api/conversations/c1")
    await chat.ask("Hi", conversation_id="c1")
    await look()
    assert len(set(tags)) == len(tags) == 7


async def test_bounded_in_bytes(local: Local, session: ClientSession) -> None:
    """The oldest messages of a conversation are let go once it is too large; cuts are accounted for."""
    await local.start(MODELS, max_conversation_bytes=2_000)
    chat = ChatClient(session, local.url)
    for _ in range(3):
        await chat.ask("x" * 600, conversation_id="c1")
    kept = (await chat.conversation("c1"))["messages"]
    assert [m["role"] for m in kept] == ["assistant", "user", "assistant"]
    for _ in range(3):
        last = (await chat.conversation("c1"))["messages"][-1]["generation_id"]
        await chat.ask("x" * 600, conversation_id="c1", replaces=last)
    raw = local.redis.lrange(local.redis.keys(keys.MESSAGES + "*")[0], 0, -1)
    counted = int(local.redis.hget(local.redis.keys(keys.CONVERSATION + "*")[0], "bytes"))
    assert counted == sum(len(message) for message in raw) <= 2_000
    await chat.ask("x" * 5_000, conversation_id="c1")
    assert [m["role"] for m in (await chat.conversation("c1"))["messages"]] == ["assistant"]


async def test_strangers(own_stack: Any, session: ClientSession) -> None:
    """Another owner's conversation can be neither renamed, deleted, searched nor cut."""
    stack = await own_stack(api_keys="one,two")
    mine = ChatClient(session, stack.gateways[0].url, key="one")
    theirs = ChatClient(session, stack.gateways[0].url, key="two")
    reader = await mine.ask("Secret", conversation_id="c1")
    assert (await rename(theirs, "c1", "Theirs")).status == 404
    assert (await theirs.call("DELETE", "/api/conversations/c1")).status == 404
    assert await search(theirs, "secret") == []
    refused = await theirs.submit("Hi", conversation_id="c1", replaces=reader.generation_id)
    assert refused.status == 404
    assert len((await mine.conversation("c1"))["messages"]) == 2


async def rename(chat: ChatClient, conversation_id: str, title: object) -> Any:
    """Ask for another title."""
    return await chat.call("PATCH", f"/api/conversations/{conversation_id}", json={"title": title})


async def search(chat: ChatClient, query: str, limit: int = 100) -> Any:
    """The conversations found."""
    answer = await chat.call("GET", "/api/conversations", params={"q": query, "limit": str(limit)})
    return answer.body["conversations"]


def ended(stack: Stack, generation_id: str) -> bool:
    """Whether the broker says so."""
    return bool(stack.redis.hget(keys.RECORD + generation_id, "state") == b"cancelled")
