"""A conversation leaves as a file, and comes back from it as it was."""

import json
from typing import Any

from aiohttp import ClientSession

from shared import keys
from tests.integration.test_blobs import PNG, upload
from tests.kit.chat_client import Answer, ChatClient, script
from tests.kit.invariants import keys_without_ttl
from tests.kit.local import Local
from tests.kit.stack import Stack


def say(text: str) -> str:
    """A message that is answered with *text*."""
    return script(text=text)


async def export(chat: ChatClient, kind: str = "json", conversation_id: str = "c1") -> Answer:
    """The file."""
    return await chat.call("GET", f"/api/conversations/{conversation_id}/export?format={kind}")


async def read(chat: ChatClient, archive: Any, query: str = "") -> Answer:
    """Import it."""
    return await chat.call("POST", f"/api/conversations/import{query}", json=archive)


def without_ids(whole: dict[str, Any]) -> Any:
    """What is said, without whose it is."""
    kept = [{k: v for k, v in message.items() if k != "generation_id"} for message in whole["messages"]]
    ends = [[m["content"] for m in branch["messages"]] for branch in whole.get("branches", [])]
    return whole["conversation"]["title"], whole["conversation"].get("settings"), kept, ends


async def test_there_and_back(chat: ChatClient, elsewhere: ChatClient, stack: Stack) -> None:
    """With settings and branches, which can be shown there as well; it goes on like any other."""
    first = await chat.ask(say("one"), conversation_id="c1", settings={"temperature": 0.5})
    second = await chat.ask(say("two"), conversation_id="c1")
    await chat.ask(say("uno"), conversation_id="c1", replaces=first.generation_id)
    await chat.call("POST", "/api/conversations/c1/branch", json={"generation_id": first.generation_id})
    await chat.ask(say("dos"), conversation_id="c1", replaces=second.generation_id)
    archive = (await export(chat)).body
    made = await read(elsewhere, archive)
    assert made.status == 201
    assert not keys_without_ttl(stack.redis)
    new = made.body["id"]
    path = f"/api/conversations/{new}?branches=true"
    before = (await chat.call("GET", "/api/conversations/c1?branches=true")).body
    after = (await chat.call("GET", path)).body
    assert without_ids(after) == without_ids(before)
    shown = [b["shown"] for b in after["branchings"]]
    assert not set(shown) & {b["shown"] for b in before["branchings"]}, "its generations are its own"
    [_, last] = after["branchings"]
    other = next(g for g in last["generation_ids"] if g != last["shown"])
    answer = await chat.call("POST", f"/api/conversations/{new}/branch", json={"generation_id": other})
    assert answer.status == 200
    await chat.ask(say("three"), conversation_id=new)
    said = (await chat.conversation(new))["messages"]
    assert [m["content"] for m in said if m["role"] == "assistant"] == ["one", "two", "three"]


async def test_markdown(chat: ChatClient) -> None:
    """As people read it; the name of the file is the title's."""
    await chat.ask(say("**bold**"), conversation_id="c1")
    await chat.call("PATCH", "/api/conversations/c1", json={"title": "Grain / 谷物"})
    await chat.ask(script(length=9, tool_call=True), conversation_id="c1")
    answer = await export(chat, "markdown")
    assert answer.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert "filename*=UTF-8''Grain-%E8%B0%B7%E7%89%A9.md" in answer.headers["Content-Disposition"]
    text = answer.body
    assert text.startswith("# Grain / 谷物\n\n## You\n\n")
    assert "\n\n## Assistant (scripted)\n\n**bold**\n\n## You\n\n" in text
    assert 'Calls `read_level`:\n\n```json\n{"gate": "upper"}\n```' in text
    archive = (await export(chat)).body
    archive["messages"][-1]["tool_calls"][0]["arguments"] = '"````"'
    assert (await read(chat, archive, "?conversation_id=c2")).status == 201
    text = (await export(chat, "markdown", conversation_id="c2")).body
    assert '\n\n`````json\n"````"\n`````' in text, "what is called with ends no fence"


async def test_refused(chat: ChatClient) -> None:
    """What is no archive, an id that is taken, and a conversation that is not there."""
    await chat.ask(say("one"), conversation_id="c1")
    archive = (await export(chat)).body
    message = archive["messages"][1]
    changes: tuple[dict[str, Any], ...] = (
        {"format": "other"},
        {"version": 2},
        {"messages": []},
        {"messages": [{**message, "role": "tool"}]},
        {"messages": [{**message, "state": "running"}]},
        {"messages": [{**message, "generation_id": 'x"y'}]},
        {"messages": [{**message, "content": 5}]},
        {"branches": [{"generation_id": "gen_x", "messages": archive["messages"]}]},
        {"settings": {"model": "none"}},
    )
    for change in changes:
        assert (await read(chat, archive | change)).status == 400, change
    taken = await read(chat, archive, "?conversation_id=c1")
    assert (taken.status, taken.error["code"]) == (409, "taken")
    assert (await export(chat, conversation_id="c2")).status == 404
    assert (await export(chat, "pdf")).status == 400
    assert [c["id"] for c in (await chat.call("GET", "/api/conversations")).body["conversations"]] == ["c1"]


async def test_large(local: Local, session: ClientSession) -> None:
    """What can be exported can be imported, although it is larger than other bodies; not without end."""
    url = await local.start(
        max_body_bytes=20_000, max_conversation_bytes=200_000, max_owner_upload_bytes=1000
    )
    chat = ChatClient(session, url)
    for number in range(20):
        await chat.ask(say(f"{number} " + "x" * 3000), conversation_id="c1")
    archive = (await export(chat)).body
    assert len(json.dumps(archive)) > 100_000
    made = await read(chat, archive)
    assert made.status == 201
    said = (await chat.conversation(made.body["id"]))["messages"]
    assert [m["content"] for m in said] == [m["content"] for m in archive["messages"]]
    message = archive["messages"][0] | {"content": "x" * 201_000}
    large = {"generation_id": message["generation_id"], "messages": [message]}
    refused = await read(chat, archive | {"branches": [large]})
    assert (refused.status, refused.error["field"]) == (400, "branches")
    assert (await read(chat, archive | {"padding": "x" * 500_000})).status == 413


async def test_owners(local: Local, session: ClientSession) -> None:
    """A stranger can export nothing; a picture lives as long as the conversation that is made with it."""
    url = await local.start(api_keys="alice,bob")
    alice, bob = (ChatClient(session, url, key) for key in ("alice", "bob"))
    picture = {"type": "image", "blob": await upload(alice, PNG)}
    await alice.ask([{"type": "text", "text": say("one")}, picture], conversation_id="c1")
    assert (await export(bob)).status == 404
    assert (await read(bob, (await export(alice)).body, "?conversation_id=c1")).status == 201
    assert (await export(bob)).status == 200
    lives_s = [local.redis.ttl(key) for key in local.redis.keys(f"{keys.BLOB}*")]
    assert len(lives_s) == 2 and min(lives_s) > 30 * 86400
