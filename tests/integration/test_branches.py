"""What is replaced is kept as a branch: it can be shown again, and the model reads what is shown."""

import json
from typing import Any

from aiohttp import ClientSession

from shared import keys, steps
from tests.kit.chat_client import Answer, ChatClient, script
from tests.kit.local import Local
from tests.kit.stack import Stack, upstream_model
from tests.kit.upstream import FakeUpstream


def say(text: str) -> str:
    """A message that is answered with *text*."""
    return script(text=text)


async def told(chat: ChatClient, query: str = "") -> dict[str, Any]:
    """The one conversation."""
    answer = await chat.call("GET", f"/api/conversations/c1{query}")
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


async def replies(chat: ChatClient) -> list[str]:
    """What is said in answer, on the branch that is shown."""
    return [m["content"] for m in (await told(chat))["messages"] if m["role"] == "assistant"]


async def show(chat: ChatClient, generation_id: str, conversation_id: str = "c1") -> Answer:
    """Ask for another branch."""
    path = f"/api/conversations/{conversation_id}/branch"
    return await chat.call("POST", path, json={"generation_id": generation_id})


async def test_there_and_back(chat: ChatClient, elsewhere: ChatClient) -> None:
    """An edited turn, and all that followed it, comes back whole; so does the one that took its place."""
    first = await chat.ask(say("one"), conversation_id="c1")
    second = await chat.ask(say("two"), conversation_id="c1")
    third = await chat.ask(say("three"), conversation_id="c1")
    before = await told(chat)
    assert "branchings" not in before and "branches" not in before
    edited = await chat.ask(say("dos"), conversation_id="c1", replaces=second.generation_id)
    again = await elsewhere.ask(say("zwei"), conversation_id="c1", replaces=edited.generation_id)
    siblings = [r.generation_id for r in (second, edited, again)]
    now = await told(chat)
    assert now["branchings"] == [
        {"after": first.generation_id, "shown": again.generation_id, "generation_ids": siblings}
    ]
    assert await replies(chat) == ["one", "zwei"]
    assert (await show(elsewhere, second.generation_id)).status == 200
    after = await told(chat)
    assert after["messages"] == before["messages"]
    assert after["branchings"][0] == now["branchings"][0] | {"shown": second.generation_id}
    assert (await show(chat, third.generation_id)).status == 200, "it is shown already"
    assert (await show(chat, edited.generation_id)).status == 200
    assert await replies(chat) == ["one", "dos"]


async def test_branches_of_branches(chat: ChatClient) -> None:
    """At the beginning and further on; a branch that begins in another is found once that is shown."""
    first = await chat.ask(say("one"), conversation_id="c1")
    second = await chat.ask(say("two"), conversation_id="c1")
    other = await chat.ask(say("dos"), conversation_id="c1", replaces=second.generation_id)
    root = await chat.ask(say("uno"), conversation_id="c1", replaces=first.generation_id)
    whole = await told(chat, "?branches=true")
    assert whole["branchings"] == [
        {
            "after": None,
            "shown": root.generation_id,
            "generation_ids": [first.generation_id, root.generation_id],
        }
    ]
    assert {b["generation_id"]: [m["content"] for m in b["messages"]] for b in whole["branches"]} == {
        second.generation_id: [say("two"), "two"],
        first.generation_id: [say("one"), "one", say("dos"), "dos"],
    }
    refused = await show(chat, second.generation_id)
    assert (refused.status, refused.error["code"]) == (404, "not_found")
    assert (await show(chat, first.generation_id)).status == 200
    assert (await show(chat, second.generation_id)).status == 200
    assert await replies(chat) == ["one", "two"]
    assert [b["generation_ids"] for b in (await told(chat))["branchings"]] == [
        [first.generation_id, root.generation_id],
        [second.generation_id, other.generation_id],
    ]


async def test_the_model_reads_what_is_shown(local: Local, session: ClientSession) -> None:
    """Also after another branch was chosen; and a message that follows belongs to it."""
    async with FakeUpstream(echo=True) as upstream:
        await local.start(upstream_model(upstream.url))
        chat = ChatClient(session, local.url)
        first = await chat.ask("one", conversation_id="c1")
        second = await chat.ask("uno", conversation_id="c1", replaces=first.generation_id)
        await chat.ask("due", conversation_id="c1")
        await show(chat, first.generation_id)
        await chat.ask("two", conversation_id="c1")
        sent = [m["content"] for m in upstream.requests[-1].body["messages"]]
        assert sent == ["one", "one", "two"]
        await show(chat, second.generation_id)
        assert await replies(chat) == ["uno", "due"]


async def test_refused(chat: ChatClient) -> None:
    """While it is answered, for what it does not have, and for a conversation that is not there."""
    first = await chat.ask(say("one"), conversation_id="c1")
    async with await chat.send(
        script(length=500, rate=100), conversation_id="c1", replaces=first.generation_id
    ) as reader:
        await reader.until("chunk")
        refused = await show(chat, first.generation_id)
        assert (refused.status, refused.error["code"]) == (409, "busy")
        assert refused.error["detail"] == {"generation_id": reader.generation_id}
        await chat.cancel(reader.generation_id)
        await reader.all()
    for generation_id, conversation_id in (("gen_nothing", "c1"), (first.generation_id, "c2")):
        assert (await show(chat, generation_id, conversation_id)).status == 404
    assert (await chat.call("GET", "/api/conversations/c1?branches=maybe")).status == 400
    assert (await show(chat, first.generation_id)).status == 200


async def test_bounded(local: Local, session: ClientSession, monkeypatch: Any) -> None:
    """Only so many are kept, and so many bytes of them; the counts are those of what is kept."""
    monkeypatch.setattr(steps, "MAX_BRANCHES", 3)
    most = 8000
    await local.start(max_conversation_bytes=most)
    chat = ChatClient(session, local.url)
    ids: list[str] = []
    for number in range(6):
        last = {"replaces": ids[-1]} if ids else {}
        ids.append((await chat.ask(say(f"{number}"), conversation_id="c1", **last)).generation_id)
    [branching] = (await told(chat))["branchings"]
    assert branching["generation_ids"] == ids[2:]
    [key] = list(local.redis.scan_iter(match=f"{keys.ASIDE}*"))

    def consistent() -> None:
        aside = [json.loads(raw) for raw in local.redis.hvals(key)]
        forks = json.loads(local.redis.hget(key.replace(b"aside", b"conv"), "forks"))
        assert len(aside) == len(forks), "what is shown, or let go, is kept nowhere else"
        assert sum(len(message.encode()) for branch in aside for message in branch) <= most
        messages = local.redis.lrange(key.replace(b"aside", b"msgs"), 0, -1)
        assert int(local.redis.hget(key.replace(b"aside", b"conv"), "bytes")) == sum(map(len, messages))

    for generation_id in ids[2:]:
        assert (await show(chat, generation_id)).status == 200
        consistent()
    for _ in range(4):
        big = await chat.ask(say("x" * 1500), conversation_id="c1", replaces=ids[-1])
        ids.append(big.generation_id)
        consistent()
    kept = (await told(chat))["branchings"][0]["generation_ids"]
    assert kept == ids[-len(kept) :] and len(kept) < 4
    await chat.ask("x" * most, conversation_id="c1")
    assert "branchings" not in await told(chat), "its beginning is gone, where they began"
    assert (await show(chat, kept[-1])).status == (await show(chat, kept[0])).status == 404


async def test_owners(local: Local, session: ClientSession) -> None:
    """A stranger can neither show nor restore what is not his."""
    await local.start(api_keys="alice,bob")
    alice, bob = (ChatClient(session, local.url, key) for key in ("alice", "bob"))
    first = await alice.ask(say("one"), conversation_id="c1")
    await alice.ask(say("uno"), conversation_id="c1", replaces=first.generation_id)
    assert (await show(bob, first.generation_id)).status == 404
    await alice.call("DELETE", "/api/conversations/c1")
    assert (await bob.call("POST", "/api/conversations/c1/restore")).status == 404
    assert (await alice.call("POST", "/api/conversations/c1/restore")).status == 200
    assert await replies(alice) == ["uno"]


async def test_undo(chat: ChatClient, elsewhere: ChatClient, stack: Stack) -> None:
    """What was deleted comes back as it was, in its place of the list, with its branches."""
    first = await chat.ask(say("one"), conversation_id="c1")
    await chat.ask(say("uno"), conversation_id="c1", replaces=first.generation_id)
    await chat.ask(say("later"), conversation_id="c2")
    before, listed = await told(chat, "?branches=true"), await chat.call("GET", "/api/conversations")
    await chat.call("DELETE", "/api/conversations/c1")
    assert (await chat.call("GET", "/api/conversations/c1")).status == 404
    lives = [stack.redis.pttl(key) for key in stack.redis.scan_iter(f"{keys.GONE}*:c1")]
    assert len(lives) == 3 and 0 < max(lives) <= 15_000
    assert (await elsewhere.call("POST", "/api/conversations/c1/restore")).status == 200
    assert await told(chat, "?branches=true") == before
    assert (await chat.call("GET", "/api/conversations")).body == listed.body
    lives = [
        stack.redis.pttl(key)
        for kind in (keys.CONVERSATION, keys.MESSAGES, keys.ASIDE)
        for key in stack.redis.scan_iter(f"{kind}*:c1")
    ]
    assert len(lives) >= 3 and min(lives) > steps._UNDO_MS, "as long as any, not as what can be undone"
    assert (await chat.call("POST", "/api/conversations/c1/restore")).error["code"] == "taken"
    await chat.call("DELETE", "/api/conversations/c1")
    await chat.ask(say("new"), conversation_id="c1")
    assert (await chat.call("POST", "/api/conversations/c1/restore")).error["code"] == "taken"
    assert (await chat.call("POST", "/api/conversations/c3/restore")).status == 404


async def test_undo_while_it_is_answered(chat: ChatClient) -> None:
    """The reply was stopped with the deletion; what it had said comes back with its conversation."""
    async with await chat.send(script(length=500, rate=100), conversation_id="c1") as reader:
        await reader.until("chunk", 3)
        seen = (await chat.call("GET", "/api/conversations/c1")).headers["ETag"]
        await chat.call("DELETE", "/api/conversations/c1")
        await reader.all()
    assert (await chat.call("POST", "/api/conversations/c1/restore")).status == 200
    again = await chat.call("GET", "/api/conversations/c1", headers={"If-None-Match": seen})
    assert again.status == 200, "whoever saw it being answered sees that it is not any more"
    whole = await told(chat)
    assert whole["conversation"]["active"] is None
    assert [m["content"] for m in whole["messages"] if m["role"] == "assistant"] == [reader.text]
