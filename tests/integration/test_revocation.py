"""P16: what is open ends with the key or the session that opened it, and says so; the reply goes on."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, ClientWebSocketResponse, CookieJar, WSMsgType

from headrace import HeadraceClient, HeadraceError
from shared import keys
from tests.kit.api_keys import CACHE_S, made_key, make_key
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.openai_streams import RESPONSES
from tests.kit.room_client import member

LONG = script(length=2000, rate=50)
MESSAGES = [{"role": "user", "content": LONG}]
RUN: dict[str, Any] = {
    "threadId": "t1",
    "runId": "r1",
    "messages": [{"id": "1", "role": "user", "content": LONG}],
}
RUN |= {"tools": [], "context": [], "state": {}, "forwardedProps": {}}
PARTS = [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": LONG}]}]

#: How each dialect begins a stream, and how it says that its reader may read no more.
STREAMS: dict[str, tuple[str, dict[str, Any], Callable[[dict[str, Any]], Any]]] = {
    "native": (
        "/api/chat/stream",
        {"message": LONG, "conversation_id": "c1"},
        lambda said: (said["type"], said["metadata"]["code"]),
    ),
    "typed": (
        "/api/chat/stream",
        {"message": LONG, "multimodal": True},
        lambda said: (said["type"], said["metadata"]["code"]),
    ),
    "chat": (
        "/v1/chat/completions",
        {"messages": MESSAGES, "stream": True},
        lambda said: (said["error"]["type"], said["error"]["code"]),
    ),
    "responses": (
        "/v1/responses",
        {"input": LONG, "stream": True},
        lambda said: (said["error"]["type"], said["code"]),
    ),
    "messages": (
        "/v1/messages",
        {"model": "scripted", "max_tokens": 5000, "messages": MESSAGES, "stream": True},
        lambda said: (said["error"]["type"], said["error"]["code"]),
    ),
    "ag_ui": ("/api/ag-ui", RUN, lambda said: (said["type"], said["code"])),
    "ai_sdk": (
        "/api/ui/chat",
        {"id": "u1", "messages": PARTS},
        lambda said: (said["type"], said["errorText"]),
    ),
}
TOLD = {
    "native": ("error", "access_ended"),
    "typed": ("error", "access_ended"),
    "chat": ("authentication_error", "access_ended"),
    "responses": ("authentication_error", "access_ended"),
    "messages": ("authentication_error", "access_ended"),
    "ag_ui": ("RUN_ERROR", "access_ended"),
    "ai_sdk": ("error", "This API key has been revoked."),
}


@pytest.fixture
async def url(local: Local) -> str:
    """A gateway that asks for keys."""
    return await local.start(auth="keys", key_cache_s=CACHE_S)


async def test_every_stream_of_a_revoked_key(local: Local, url: str, session: ClientSession) -> None:
    """In every dialect, over a WebSocket, in a room, whole answers too; no other key's."""
    kept, key = await made_key(local, user="ann")
    other = ChatClient(session, url, await make_key(local, user="ann"))
    headers = {"Authorization": f"Bearer {key}"}
    spared = await other.send(LONG)
    opened = {
        name: await session.post(url + path, json=body, headers=headers)
        for name, (path, body, _) in STREAMS.items()
    }
    chat = ChatClient(session, url, key)
    reader = await chat.resume(opened["native"].headers["X-Generation-Id"])
    token = (await chat.call("POST", f"/api/chat/{reader.generation_id}/token")).body["url"]
    opened["token"] = await session.get(url + token)
    whole = asyncio.create_task(chat.call("POST", "/v1/chat/completions", json={"messages": MESSAGES}))
    async with (
        session.ws_connect(url + RESPONSES, headers=headers) as socket,
        session.ws_connect(url + RESPONSES, headers=headers) as idle,
        member(session, url, "room1", headers=headers) as ann,
    ):
        await socket.send_json({"type": "response.create", "model": "scripted", "input": LONG})
        await ann.say(LONG)
        await ann.until("stream_chunk")
        for stream in opened.values():
            assert stream.status == 200
            await stream.content.readline()
        await reader.until("chunk")
        async with asyncio.timeout(20):
            await local.state.api_keys.revoke(kept.id)
            for name, stream in opened.items():
                *_, said = await frames(stream)
                kind = "native" if name == "token" else name
                assert STREAMS[kind][2](said) == TOLD[kind], name
            for each in (socket, idle):
                refused = await last(each)
                assert (refused["status"], refused["error"]["code"]) == (401, "access_ended")
                assert each.close_code == 1008
            assert (await ann.until("error"))["code"] == "access_ended"
            assert await ann.next() is None
            assert ann.socket.close_code == 4401
            answer = await whole
    assert (answer.status, answer.body["error"]["code"]) == (401, "access_ended")
    # Whoever may read on loses nothing, and nothing comes twice.
    read = [frame.id for frame in await reader.all() if frame.id is not None]
    async with await other.resume(reader.generation_id, after=read[-1]) as again:
        first = await again.until("chunk")
        assert first.id == f"1-{int(read[-1].partition('-')[2]) + 1}"
    seen = len(spared.frames)
    await spared.until("chunk")
    assert len(spared.frames) > seen
    assert (await session.get(url + token)).status == 401
    spared.cut()


@pytest.mark.parametrize("how", ["rotated", "expired", "signed out", "session's key revoked"])
async def test_every_way_to_lose_access(local: Local, url: str, how: str) -> None:
    """A secret that was replaced, a key past its day, a session that was left, or whose key is gone."""
    kept, key = await made_key(local, expires_s=2 if how == "expired" else None)
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser:
        page = ChatClient(browser, url, None if how[0] == "s" else key)
        page._headers["Sec-Fetch-Site"] = "same-origin"
        if how[0] == "s":
            assert (await page.call("POST", "/api/session", json={"key": key})).status == 200
        reader = await page.send(LONG)
        await reader.until("chunk")
        match how:
            case "rotated":
                await local.state.api_keys.rotate(kept.id, 0)
            case "signed out":
                assert (await page.call("DELETE", "/api/session")).status == 204
            case "session's key revoked":
                await local.state.api_keys.revoke(kept.id)
        async with asyncio.timeout(10):
            ended = await reader.until("error", timeout_s=10)
            assert (ended.id, ended.data["metadata"]["code"]) == (None, "access_ended")
            assert await reader.next() is None


async def test_a_key_that_cannot_be_read(local: Local, url: str, session: ClientSession) -> None:
    """It holds up nobody else: another's streams end with its key all the same."""
    torn, kept = await made_key(local), await made_key(local)
    first, second = [await ChatClient(session, url, key).send(LONG) for _, key in (torn, kept)]
    name = local.state.broker.cells.home.key(keys.API_KEY, torn[0].id)
    local.redis.hset(name, "scopes", "{")
    await local.state.api_keys.revoke(kept[0].id)
    await second.until("error")
    await first.until("chunk")
    first.cut()


async def test_the_python_client_tells_it_from_a_failed_reply(local: Local, url: str) -> None:
    """It raises, as for a key that was never let in: the reply has not failed."""
    kept, key = await made_key(local)
    async with HeadraceClient(url, api_key=key) as client:
        said = []
        with pytest.raises(HeadraceError) as refused:
            async for event in client.start(LONG):
                said.append(event)
                if len(said) == 3:
                    await local.state.api_keys.revoke(kept.id)
        assert (refused.value.code, refused.value.status) == ("access_ended", 401)


async def frames(stream: ClientResponse) -> list[dict[str, Any]]:
    """All that follows, as JSON."""
    lines = (await stream.read()).split(b"\n")
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]


async def last(socket: ClientWebSocketResponse) -> dict[str, Any]:
    """The last message before it was closed."""
    said: dict[str, Any] = {}
    while (message := await socket.receive()).type is WSMsgType.TEXT:
        said = message.json()
    return said
