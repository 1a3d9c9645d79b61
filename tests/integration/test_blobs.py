"""Pictures and files: kept by their hash beside the log, for their owner, as long as their conversation."""

import base64
import hashlib
from typing import Any

import pytest
from aiohttp import ClientSession

from shared import keys
from tests.conftest import StartStack
from tests.kit.api_keys import made_key
from tests.kit.byte_ranges import check_ranges
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.stack import MODELS, Stack, upstream_model
from tests.kit.upstream import FakeUpstream
from worker.backends.scripted import drawn

PNG = drawn(1)
HASH = hashlib.sha256(PNG).hexdigest()
NOTES = "# Notes\n\nüber <script>alert(1)</script>"


async def upload(chat: ChatClient, data: bytes, content_type: str = "application/octet-stream") -> str:
    """Gives what messages name it by."""
    answer = await chat.call("POST", "/api/blobs", data=data, headers={"Content-Type": content_type})
    assert answer.status == 201, answer
    name: str = answer.body["blob"]
    return name


async def bytes_of(session: ClientSession, chat: ChatClient, name: str) -> tuple[int, bytes]:
    """What its owner reads."""
    async with session.get(f"{chat.url}/api/blobs/{name}", headers=chat._headers) as response:
        return response.status, await response.read()


def data_url(data: bytes) -> str:
    """As OpenAI's clients send a picture."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def parts_of(frames: Any) -> list[dict[str, Any]]:
    """The pictures of a reply."""
    return [frame.data["metadata"]["part"] for frame in frames if frame.type == "part"]


async def test_what_the_model_gets(local: Local, session: ClientSession) -> None:
    """Text, pictures by data URL and files as text, in their order; in the next turn as well."""
    async with FakeUpstream() as upstream:
        chat = ChatClient(session, await local.start(MODELS + upstream_model(upstream.url, "seeing")))
        picture, notes = await upload(chat, PNG), await upload(chat, NOTES.encode(), "text/html")
        assert picture == HASH
        said = [
            {"type": "text", "text": "Look:"},
            {"type": "image", "blob": picture, "name": "../<b>cat</b>.png"},
            {"type": "text", "text": "and read"},
            {"type": "file", "blob": notes, "name": "notes.html"},
        ]
        await chat.ask(said, conversation_id="c1", model="seeing")
        inline = [{"type": "image_url", "image_url": {"url": data_url(drawn(2))}}]
        await chat.ask(inline, conversation_id="c1", model="seeing")
        image = {"type": "image_url", "image_url": {"url": data_url(PNG)}}
        first = [{"type": "text", "text": "Look:"}, image, {"type": "text", "text": "and read"}]
        first.append({"type": "text", "text": f"File notes.html:\n\n{NOTES}"})
        assert upstream.requests[0].body["messages"][-1]["content"] == first
        assert upstream.requests[1].body["messages"][0]["content"] == first
        image = {"type": "image_url", "image_url": {"url": data_url(drawn(2))}}
        assert upstream.requests[1].body["messages"][-1]["content"] == [image]
        messages = (await chat.conversation("c1"))["messages"]
        assert messages[0]["content"] == "Look:\n\nand read"
        kept = [(part["type"], part["name"], part["at"]) for part in messages[0]["parts"]]
        assert kept == [("image", "b>.png", 5), ("file", "notes.html", 15)]


async def test_how_they_are_served(chat: ChatClient, session: ClientSession) -> None:
    """By what their bytes are, inert, to their owner alone; a text is never shown as anything else."""
    picture, page = await upload(chat, PNG, "text/html"), await upload(chat, NOTES.encode(), "text/html")
    drawing = await upload(
        chat, b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "image/svg+xml"
    )
    for name, kind in ((picture, "image/png"), (page, "text/plain"), (drawing, "text/plain")):
        async with session.get(f"{chat.url}/api/blobs/{name}") as response:
            assert response.content_type == kind
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in response.headers["Content-Security-Policy"]
            is_text = kind == "text/plain"
            assert response.headers["Content-Disposition"].startswith("attachment" if is_text else "inline")
            etag = response.headers["ETag"]
        for told, status in ((etag, 304), ("*", 304), (f'"x", {etag}', 304), ('"x"', 200)):
            again = await chat.call("GET", f"/api/blobs/{name}", headers={"If-None-Match": told})
            assert again.status == status, told
    for name in ("0" * 64, "x", HASH.upper()):
        assert (await chat.call("GET", f"/api/blobs/{name}")).status == 404


async def test_ranges(chat: ChatClient, session: ClientSession) -> None:
    """Of its bytes, as RFC 9110 has them."""
    await check_ranges(session, f"{chat.url}/api/blobs/{await upload(chat, PNG)}", PNG)


async def test_what_is_refused(local: Local, session: ClientSession) -> None:
    """What is nothing to keep, too large, not there, or not to be seen by the model: each by name."""
    blind = MODELS + '\n[models.blind]\nbackend = "scripted"\ncannot = ["pictures"]\n'
    chat = ChatClient(session, await local.start(blind, worker=False, max_upload_bytes=1000))
    for data, status, code in (
        (b"\0\1", 415, "unsupported_media_type"),
        (b"", 415, "unsupported_media_type"),
        (b"%PDF-1.7\n\xff\xfe\0", 415, "unsupported_media_type"),
        (b"a" * 1001, 413, "too_large"),
    ):
        answer = await chat.call("POST", "/api/blobs", data=data)
        assert (answer.status, answer.error["code"]) == (status, code)
    text = await upload(chat, b"a text")
    picture = {"type": "image", "blob": await upload(chat, PNG), "name": "cat.png"}
    remote, large = (
        {"type": "image_url", "image_url": {"url": url}}
        for url in ("https://example.org/x;base64,AA==", data_url(PNG + bytes(1001 - len(PNG))))
    )
    for message, field, words, model in (
        ([picture], "message[0]", "cannot see pictures: cat.png", "blind"),
        ([{"type": "image", "blob": "0" * 64}], "message[0].blob", "no such blob", "scripted"),
        ([{"type": "image", "blob": "../x"}], "message[0].blob", "no such blob", "scripted"),
        ([{"type": "image", "blob": text}], "message[0]", "no image", "scripted"),
        ([remote], "message[0].image_url.url", "nothing is fetched", "scripted"),
        ([large], "message[0]", "1000 bytes at most", "scripted"),
        ([], "message", "length", "scripted"),
        ([{"type": "text", "text": "x" * 20_000}] * 2, "message", "", "scripted"),
        ([{"type": "text", "text": " "}], "message", "empty", "scripted"),
        ([{"type": "video", "blob": text}], "message", "video", "scripted"),
    ):
        answer = await chat.submit(message, model=model)
        assert answer.error.get("field", "").startswith(field), answer
        assert words in answer.error["message"], answer


async def test_two_owners(local: Local, session: ClientSession) -> None:
    """The same bytes are each one's own: neither's reading, using nor deleting is the other's."""
    url = await local.start(auth="keys")
    ann = ChatClient(session, url, (await made_key(local, "acme", user="ann"))[1])
    bob = ChatClient(session, url, (await made_key(local, "acme", user="bob"))[1])
    name = await upload(ann, PNG)
    assert (await bob.call("GET", f"/api/blobs/{name}")).status == 404
    assert (await bob.submit([{"type": "image", "blob": name}])).status == 404
    await upload(bob, PNG)
    await ann.ask([{"type": "image", "blob": name}], conversation_id="c1")
    await ann.call("DELETE", "/api/conversations/c1")
    assert await bytes_of(session, bob, name) == (200, PNG)


async def test_they_live_with_their_conversations(local: Local, session: ClientSession) -> None:
    """Kept with the last of them; deleted with it, unless that is undone; for an hour with none."""
    chat = ChatClient(session, await local.start())
    name = await upload(chat, PNG)

    def left_ms() -> int:
        [key] = local.redis.keys(f"{keys.BLOB}*")
        left: int = local.redis.pttl(key)
        return left

    month = local.settings().conversation_ttl_s * 1000
    assert 0 < left_ms() <= 3600_000
    for conversation in ("c1", "c2"):
        await chat.ask([{"type": "image", "blob": name}], conversation_id=conversation)
    assert left_ms() > month
    await chat.call("DELETE", "/api/conversations/c1")
    assert left_ms() > month, "c2 has it"
    await chat.call("DELETE", "/api/conversations/c2")
    assert 0 < left_ms() <= 3600_000, "as long as nothing had it"
    await chat.call("POST", "/api/conversations/c2/restore")
    assert left_ms() > month
    local.redis.pexpire(local.redis.keys(f"{keys.BLOB}*")[0], 1000)
    await chat.ask("And?", conversation_id="c2")
    assert left_ms() > month, "each turn needs it anew"


async def test_an_owner_has_so_many_bytes(local: Local, session: ClientSession) -> None:
    """Of more, what was not needed for longest is let go, and its model is told."""
    async with FakeUpstream() as upstream:
        models = MODELS + upstream_model(upstream.url, "seeing")
        chat = ChatClient(session, await local.start(models, max_owner_upload_bytes=3 * len(PNG)))
        first = await upload(chat, PNG)
        await chat.ask(
            [{"type": "image", "blob": first, "name": "a.png"}], conversation_id="c1", model="seeing"
        )
        names = [await upload(chat, drawn(seed)) for seed in (2, 3, 4)]
        assert (await chat.call("GET", f"/api/blobs/{first}")).status == 404
        assert not local.redis.keys(f"*{first}")
        for name in names[1:]:
            assert (await chat.call("HEAD", f"/api/blobs/{name}")).status == 200
        await chat.ask("And?", conversation_id="c1", model="seeing")
        told = upstream.requests[-1].body["messages"][0]["content"]
        assert told == [{"type": "text", "text": "[picture a.png: no longer there]"}]


@pytest.mark.parametrize("at", ["1-0", "1-3", "1-4"])
async def test_pictures_of_a_reply(chat: ChatClient, session: ClientSession, at: str) -> None:
    """Stored, told by reference, in the conversation and in the record; from any position on."""
    reader = await chat.ask(script(length=2, pictures=2), conversation_id="c1")
    parts = parts_of(reader.frames)
    for number, part in enumerate(parts):
        assert await bytes_of(session, chat, part["blob"]) == (200, drawn(number))
        assert part["content_type"] == "image/png" and part["type"] == "image"
    assert len(parts) == 2
    async with await chat.resume(reader.generation_id, at) as again:
        await again.all()
    ids = [frame.id for frame in reader.frames]
    assert [frame.id for frame in again.frames] == ids[ids.index(at) + 1 :]
    message = (await chat.conversation("c1"))["messages"][-1]
    assert [part["blob"] for part in message["parts"]] == [part["blob"] for part in parts]
    assert {part["at"] for part in message["parts"]} == {len(message["content"])}
    assert (await chat.status(reader.generation_id))["parts"] == message["parts"]


async def test_typed(chat: ChatClient) -> None:
    """A chunk of its own, of type `image`; text is not altered."""
    reader = await chat.ask(script(length=2, pictures=1), multimodal=True)
    [image] = [frame.data for frame in reader.frames if frame.data.get("contentType") == "image"]
    assert image["data"]["imageUrl"] == f"/api/blobs/{hashlib.sha256(drawn(0)).hexdigest()}"
    assert image["content"] == ""
    assert reader.text == (await chat.status(reader.generation_id))["text"]


async def test_other_dialects(chat: ChatClient) -> None:
    """OpenAI's carry the bytes, the AI SDK's its address."""
    url = data_url(drawn(0))
    asked = {"messages": [{"role": "user", "content": script(length=1, pictures=1)}]}
    whole = await chat.call("POST", "/v1/chat/completions", json=asked)
    assert whole.body["choices"][0]["message"]["images"] == [{"type": "image_url", "image_url": {"url": url}}]
    streamed = await chat.call("POST", "/v1/chat/completions", json={**asked, "stream": True})
    assert url in streamed.body
    made = await chat.call("POST", "/v1/responses", json={"input": script(length=1, pictures=1)})
    [image] = [item for item in made.body["output"] if item["type"] == "image_generation_call"]
    assert image["result"] == base64.b64encode(drawn(0)).decode()
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": script(length=1, pictures=1)}]}
    ui = await chat.call("POST", "/api/ui/chat", json={"id": "ui1", "messages": [message]})
    assert '"type":"file","url":"/api/blobs/' in ui.body


async def test_in_openais_conversations(local: Local, session: ClientSession) -> None:
    """What was said with pictures, and drawn, is there as items, and a model that goes on sees it."""
    async with FakeUpstream() as upstream:
        chat = ChatClient(session, await local.start(MODELS + upstream_model(upstream.url, "seeing")))
        name = await upload(chat, PNG)
        said = [{"type": "text", "text": script(length=1, pictures=1)}, {"type": "image", "blob": name}]
        await chat.ask(said, conversation_id="c1")
        items = (await chat.call("GET", "/v1/conversations/c1/items?order=asc")).body["data"]
        assert items[0]["content"][1]["image_url"] == data_url(PNG)
        drawing = base64.b64encode(drawn(0)).decode()
        assert [item["result"] for item in items if item["type"] == "image_generation_call"] == [drawing]
        body = {"model": "seeing", "input": "And?"}
        await chat.call("POST", "/v1/responses", json={**body, "conversation": "c1"})
        first = await chat.call("POST", "/v1/responses", json={"input": script(length=1, pictures=1)})
        await chat.call("POST", "/v1/responses", json={**body, "previous_response_id": first.body["id"]})
        await chat.call("POST", "/v1/responses", json={**body, "input": first.body["output"]})
        for request in upstream.requests:
            assert data_url(drawn(0)) in str(request.body["messages"])
        assert data_url(PNG) in str(upstream.requests[0].body["messages"])


async def test_a_worker_dies(own_stack: StartStack, session: ClientSession) -> None:
    """Whoever goes on draws anew: one reply, each picture of it there once."""
    stack = await own_stack(workers=2, lease_s=1)
    chat = ChatClient(session, stack.gateways[0].url)
    async with await chat.send(script(length=1, rate=4, pictures=4), conversation_id="c1") as reader:
        await reader.until("part", 2)
        for worker in stack.workers[:1]:
            worker.kill()
        await reader.all()
    last = max([at for at, frame in enumerate(reader.frames) if frame.type == "reset"], default=0)
    names = [part["blob"] for part in parts_of(reader.frames[last:])]
    assert names == [hashlib.sha256(drawn(number)).hexdigest() for number in range(4)]
    assert [part["blob"] for part in (await chat.conversation("c1"))["messages"][-1]["parts"]] == names
    for number, name in enumerate(names):
        assert await bytes_of(session, chat, name) == (200, drawn(number))


async def test_archive(chat: ChatClient, elsewhere: ChatClient, stack: Stack, session: ClientSession) -> None:
    """They leave with their conversation and come back; bytes that are not what they are called stay away."""
    name = await upload(chat, PNG)
    await chat.ask([{"type": "image", "blob": name, "name": "cat.png"}], conversation_id="c1")
    archive = (await chat.call("GET", "/api/conversations/c1/export")).body
    made = await elsewhere.call("POST", "/api/conversations/import", json=archive)
    assert made.status == 201, made
    assert await bytes_of(session, elsewhere, name) == (200, PNG)
    message = (await elsewhere.conversation(made.body["id"]))["messages"][0]
    assert message["parts"][0]["name"] == "cat.png"
    hidden = await upload(chat, drawn(5))
    first = await chat.ask([{"type": "image", "blob": hidden}], conversation_id="c2")
    await chat.ask("Plain", conversation_id="c2", replaces=first.generation_id)
    whole = (await chat.call("GET", "/api/conversations/c2/export")).body
    await chat.call("DELETE", "/api/conversations/c2")
    again = await elsewhere.call("POST", "/api/conversations/import", json=whole)
    [key] = stack.redis.keys(f"{keys.BLOB}*{hidden}")
    assert stack.redis.pttl(key) > 24 * 3600_000, "a branch that is not shown needs it, too"
    await elsewhere.call("DELETE", f"/api/conversations/{again.body['id']}")
    assert 0 < stack.redis.pttl(key) <= 3600_000, "it goes with that"
    other = {"blob": hashlib.sha256(drawn(9)).hexdigest(), "data": base64.b64encode(drawn(9)).decode()}
    path = "/api/conversations/import?conversation_id=c1"
    assert (await chat.call("POST", path, json=archive | {"blobs": [other]})).status == 409
    assert (await bytes_of(session, chat, other["blob"]))[0] == 404, "nothing of what was refused is kept"
    for data in ("PGI+", "!", base64.b64encode(b"\0\1").decode()):
        archive["blobs"][0]["data"] = data
        refused = await elsewhere.call("POST", "/api/conversations/import", json=archive)
        assert refused.status in {400, 415}, (data, refused)
