"""P1: a position belongs to its generation, is bound by its log, and never moves another reader's."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.reader import Reader
from worker.backends.script import expected_text

#: Positions that no log here has reached.
AHEAD = ["999-0", "1-999", "2-0", "999999999-999999999999999999"]
PATHS = ["/api/chat", "/v1/chat/completions"]


def feeds(local: Local) -> list[Any]:
    """What is attached in the first gateway."""
    return list(local.state.relay._feeds.values())


async def test_ahead_of_a_running_log(local: Local, session: ClientSession) -> None:
    """A position that the log has not reached is refused by name, and the others stay live."""
    await local.start()
    chat = ChatClient(session, local.url)
    async with await chat.send(script(length=1000, rate=100)) as reader:
        await reader.until("chunk")

        async def refused(path: str, after: str) -> None:
            answer = await chat.call("GET", f"{path}/{reader.generation_id}/stream?after={after}")
            assert (answer.status, answer.body["error"]["code"]) == (400, "invalid_request")
            assert after in answer.body["error"]["message"]

        await asyncio.gather(*(refused(path, after) for path in PATHS for after in AHEAD))
        await reader.until("chunk", 5)
        assert all(subscriber.live for feed in feeds(local) for subscriber in feed.subscribers)
        await chat.cancel(reader.generation_id)
        await reader.all()
    assert reader.ids == [f"1-{i}" for i in range(len(reader.ids))]


async def test_ahead_of_an_ended_log(local: Local, session: ClientSession) -> None:
    """It is another's: `nothing follows` would be taken for the end, and the reply never be read."""
    await local.start()
    chat = ChatClient(session, local.url)
    reply = await chat.ask(script(length=3), conversation_id="c1")
    for after in AHEAD:
        for path in PATHS:
            refused = await chat.call("GET", f"{path}/{reply.generation_id}/stream?after={after}")
            assert refused.status == 400
        headers = {"Last-Event-ID": f"{reply.generation_id}/{after}"}
        assert (await chat.call("GET", "/api/conversations/c1/stream", headers=headers)).status == 400


async def test_ahead_of_a_response(local: Local, session: ClientSession) -> None:
    """The same for the number of a response's event, running or ended."""
    await local.start()
    chat = ChatClient(session, local.url)

    async def refused(**options: int) -> None:
        body = {"input": script(**options), "background": True}
        made = await chat.call("POST", "/v1/responses", json=body)
        path = f"/v1/responses/{made.body['id']}"
        refused = await chat.call("GET", path + "?stream=true&starting_after=9999")
        assert (refused.status, refused.body["error"]["param"]) == (400, "starting_after")
        await chat.call("POST", path + "/cancel")

    await asyncio.gather(refused(length=1000, rate=100), refused(length=3))


async def test_ahead_of_a_chat(local: Local, session: ClientSession) -> None:
    """The same for a chat of the AI SDK."""
    await local.start()
    chat = ChatClient(session, local.url)
    async with await chat.send(script(length=1000, rate=100), conversation_id="c1") as reader:
        await reader.until("chunk")
        refused = await chat.call("GET", "/api/ui/chat/c1/stream", headers={"Last-Event-ID": "999-0"})
        assert refused.status == 400
        await chat.cancel(reader.generation_id)
        await reader.all()


async def test_a_push_ahead_of_the_log(local: Local, session: ClientSession) -> None:
    """A position that was pushed and is in no log sends no reader round and round: all are live again."""
    await local.start()
    chat = ChatClient(session, local.url)
    async with await chat.send(script(length=1000, rate=100)) as reader:
        await reader.until("chunk")
        local.redis.publish(f"hr:live:{reader.generation_id}", b'999-0 {"type":"text","ts":1,"text":"ghost"}')
        await reader.until("chunk", 10)
        await eventually(lambda: all(s.live for f in feeds(local) for s in f.subscribers), "it is live again")
        await chat.cancel(reader.generation_id)
        await reader.all()
    assert "ghost" not in reader.text
    assert reader.ids == [f"1-{i}" for i in range(len(reader.ids))]


async def follow(chat: ChatClient, after: str | None = None) -> Reader:
    """Attach to a conversation as an `EventSource` does that was given *after* as its last id."""
    headers = {"Last-Event-ID": after} if after is not None else {}
    return await chat.open("GET", "/api/conversations/c1/stream", headers=headers)


async def test_an_event_source_goes_on_into_the_next_reply(local: Local, session: ClientSession) -> None:
    """Its last id names the reply it has read, so the next one begins at its own first event."""
    await local.start()
    chat = ChatClient(session, local.url)
    first = await chat.send(script(length=30, rate=100), conversation_id="c1")
    async with await follow(chat) as source:
        await source.all()
    assert source.ids == [f"{first.generation_id}/1-{i}" for i in range(32)]
    async with await chat.send(script(length=20, rate=50), conversation_id="c1") as second:
        async with await follow(chat, source.last_id) as source:
            await source.all()
        await second.all()
    assert source.ids == [f"{second.generation_id}/1-{i}" for i in range(22)]
    assert source.text == expected_text({"length": 20})
    assert (await follow(chat, source.last_id)).status == 204
    first.cut()


@pytest.mark.parametrize("ended", [False, True])
async def test_an_event_source_that_was_cut_reads_the_rest(
    local: Local, session: ClientSession, ended: bool
) -> None:
    """What it has not read of its reply comes first, also when that has ended and another is under way."""
    await local.start()
    chat = ChatClient(session, local.url)
    async with await chat.send(script(length=40, rate=200), conversation_id="c1") as first:
        async with await follow(chat) as source:
            await source.until("chunk", 5)
        if ended:
            await first.all()
            await (await chat.send(script(length=40, rate=100), conversation_id="c1")).until("chunk")
        async with await follow(chat, source.last_id) as rest:
            await rest.all()
        await first.all()
    assert source.ids + rest.ids == [f"{first.generation_id}/{at}" for at in first.ids]
    assert source.text + rest.text == expected_text({"length": 40})


@pytest.mark.parametrize("after", ["1-5", "gen_x/", "gen_x/1", "/1-1", "gen_x/1-1/1-1", "gen_x 1-1"])
async def test_a_conversation_takes_no_bare_position(
    local: Local, session: ClientSession, after: str
) -> None:
    """A position without its reply could be any reply's: it is refused, not guessed."""
    await local.start()
    chat = ChatClient(session, local.url)
    await chat.ask(conversation_id="c1")
    refused = await chat.call("GET", "/api/conversations/c1/stream", headers={"Last-Event-ID": after})
    assert (refused.status, refused.body["error"]["field"]) == (400, "Last-Event-ID")


async def test_another_conversations_reply_tells_nothing(local: Local, session: ClientSession) -> None:
    """An id that names a reply of elsewhere resumes nothing of it: the active one is read from its start."""
    await local.start()
    chat = ChatClient(session, local.url)
    elsewhere = await chat.ask(conversation_id="c2")
    async with await chat.send(script(length=10, rate=50), conversation_id="c1") as reader:
        async with await follow(chat, f"{elsewhere.generation_id}/1-3") as source:
            await source.all()
        await reader.all()
    assert source.text == expected_text({"length": 10})


POSTS = {
    "native": ("/api/chat/stream", {"message": script(length=30, rate=100), "conversation_id": "c1"}),
    "completions": (
        "/v1/chat/completions",
        {
            "model": "scripted",
            "stream": True,
            "messages": [{"role": "user", "content": script(length=30, rate=100)}],
        },
    ),
    "ui": (
        "/api/ui/chat",
        {
            "id": "c1",
            "messages": [
                {"id": "m1", "role": "user", "parts": [{"type": "text", "text": script(length=30, rate=100)}]}
            ],
        },
    ),
}


@pytest.mark.parametrize("dialect", POSTS)
async def test_a_post_that_comes_again(local: Local, session: ClientSession, dialect: str) -> None:
    """With its idempotency key it goes on after its last event: no text twice, nothing generated again."""
    await local.start()
    path, body = POSTS[dialect]
    key = {"Idempotency-Key": "once"}

    async def post(last: str | None = None, **headers: str) -> tuple[int, bytes]:
        if last is not None:
            headers["Last-Event-ID"] = last
        async with session.post(local.url + path, json=body, headers=headers) as response:
            return response.status, await response.read()

    _, whole = await post(**key)
    status, rest = await post("1-10", **key)
    assert status == 200
    at = whole.index(b"id: 1-11\n")
    assert whole.endswith(rest.removeprefix(b"retry: 1000\n").lstrip(b"\n")[-200:])
    assert len(rest) < len(whole[at:]) + 100
    assert b"id: 1-10\n" not in rest
    assert (await post("1-31", **key))[0] == 204
    assert len(local.redis.keys("hr:gen:*")) == 1


@pytest.mark.parametrize("dialect", POSTS)
async def test_a_post_that_comes_again_without_a_key(
    local: Local, session: ClientSession, dialect: str
) -> None:
    """Nobody can tell which reply it means: it is told where to resume, and nothing is billed."""
    await local.start()
    chat = ChatClient(session, local.url)
    path, body = POSTS[dialect]
    for headers in ({"Last-Event-ID": "1-5"}, {"Last-Event-ID": "1-5", "Idempotency-Key": "never-seen"}):
        refused = await chat.call("POST", path, json=body, headers=headers)
        assert refused.status == 409
        assert "Location" in refused.body["error"]["message"]
    assert not local.redis.keys("hr:gen:*")


async def test_it_is_told_which_reply_is_under_way(local: Local, session: ClientSession) -> None:
    """In a conversation that is being answered, the refusal names that stream."""
    await local.start()
    chat = ChatClient(session, local.url)
    async with await chat.send(script(length=30, rate=100), conversation_id="c1") as reader:
        await reader.until("chunk")
        refused = await chat.submit(conversation_id="c1", headers={"Last-Event-ID": "1-1"})
        assert refused.error["detail"]["location"] == f"/api/chat/{reader.generation_id}/stream"
        await reader.all()
