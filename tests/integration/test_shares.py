"""A read-only link to a conversation: to that and nothing else, until it ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession

from gateway.dialects.native import shares
from shared import keys
from tests.integration.test_blobs import HASH, PNG, upload
from tests.kit.api_keys import made_key
from tests.kit.chat_client import Answer, ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from worker.backends.scripted import drawn


class Link(NamedTuple):
    """Somebody without a key who has a link."""

    chat: ChatClient
    id: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        """What says so."""
        return {"X-Headrace-Share": self.secret}

    async def get(self, rest: str = "", **more: str) -> Answer:
        """What is there."""
        return await self.chat.call("GET", f"/api/shared/{self.id}{rest}", headers={**self.headers, **more})


class Scene(NamedTuple):
    """Ann's conversation, and how she shares it."""

    local: Local
    ann: ChatClient
    bob: ChatClient
    nobody: ChatClient

    async def link(self, conversation: str = "c1", **wanted: Any) -> Link:
        """A new one."""
        made = await self.ann.call("POST", f"/api/conversations/{conversation}/share", json=wanted)
        assert made.status == 201, made
        assert made.body["path"] == f"/s/{made.body['id']}#{made.body['secret']}"
        return Link(self.nobody, made.body["id"], made.body["secret"])


@pytest.fixture
async def scene(local: Local, session: ClientSession) -> AsyncIterator[Scene]:
    """With keys, so that nobody is let in for nothing."""
    url = await local.start(auth="keys")
    ann = ChatClient(session, url, (await made_key(local, "acme", user="ann"))[1])
    bob = ChatClient(session, url, (await made_key(local, "acme", user="bob"))[1])
    name = await upload(ann, PNG)
    await ann.ask(
        [{"type": "text", "text": script(length=3)}, {"type": "image", "blob": name}], conversation_id="c1"
    )
    yield Scene(local, ann, bob, ChatClient(session, url))


async def test_what_is_seen(scene: Scene) -> None:
    """The messages as they are, by another name and without its settings; 304 while it is so."""
    await scene.ann.call("PATCH", "/api/conversations/c1", json={"settings": {"system_prompt": "secret"}})
    link = await scene.link()
    seen = await link.get()
    whole = await scene.ann.conversation("c1")
    assert seen.body["messages"] == whole["messages"]
    assert seen.body["conversation"]["id"] == link.id
    assert "secret" not in json.dumps(seen.body)
    assert (await link.get(**{"If-None-Match": seen.headers["ETag"]})).status == 304
    assert seen.headers["X-Robots-Tag"] == "noindex"
    kept = [scene.local.redis.dump(key) for key in scene.local.redis.keys(f"{keys.SHARE}*")]
    assert kept and not any(link.secret.encode() in each for each in kept), "no secret is kept in plain"


async def test_nothing_else(scene: Scene) -> None:
    """No other conversation, picture or stream of its owner's, and nothing without the secret."""
    other = await upload(scene.ann, drawn(5))
    hidden = await scene.ann.ask([{"type": "image", "blob": other}], conversation_id="c2")
    link, elsewhere = await scene.link(), await scene.link("c2")
    assert (await link.get(f"/blobs/{HASH}")).status == 200
    for rest in (f"/blobs/{other}", "/blobs/x", f"/chat/{hidden.generation_id}/stream"):
        assert (await link.get(rest)).status == 404, rest
    shown = (await scene.ann.conversation("c1"))["messages"][0]["generation_id"]
    for who in (
        link._replace(secret=""),
        link._replace(secret=link.secret[:-1] + "~"),
        link._replace(secret=elsewhere.secret),
        link._replace(id="0" * 32),
        link._replace(id="x" * 500),
    ):
        for rest in ("", f"/blobs/{HASH}", f"/chat/{shown}/stream"):
            assert (await who.get(rest)).status == 404
    for method, path in (
        ("GET", "/api/conversations/c1"),
        ("POST", "/api/chat/stream"),
        ("DELETE", f"/api/conversations/c1/share/{link.id}"),
        ("GET", f"/api/blobs/{HASH}"),
    ):
        assert (await link.chat.call(method, path, headers=link.headers)).status == 401
    await scene.ann.ask(script(length=1), conversation_id="c1", replaces=shown)
    assert (await link.get(f"/blobs/{HASH}")).status == 404, "a branch that is not shown is not shared"
    assert (await link.get(f"/chat/{shown}/stream")).status == 404


async def test_live(scene: Scene, session: ClientSession) -> None:
    """A reply on its way is read as it is written, from any position, its pictures included."""
    link = await scene.link()
    async with await scene.ann.send(script(length=4, rate=20, pictures=1), conversation_id="c1") as reader:
        await reader.until("chunk")
        path = f"/api/shared/{link.id}/chat/{reader.generation_id}/stream"
        assert (await link.get()).body["conversation"]["active"] == reader.generation_id
        async with await scene.nobody.open("GET", path, headers=link.headers) as shared:
            await shared.until("part")
            name = shared.frames[-1].data["metadata"]["part"]["blob"]
            assert (await link.get(f"/blobs/{name}")).status == 200
            await shared.all()
        await reader.all()
    assert [frame.id for frame in shared.frames] == [frame.id for frame in reader.frames]
    late = {**link.headers, "Last-Event-ID": "1-2"}
    async with await scene.nobody.open("GET", path, headers=late) as rest:
        await rest.all()
    assert rest.ids == shared.ids[3:]


async def test_how_it_ends(scene: Scene) -> None:
    """Revoked, expired, or its conversation deleted: for good, also if there is another of that name."""
    link, brief = await scene.link(expires_s=90 * 86400), await scene.link(expires_s=1)
    kept = await scene.link()
    [listing] = scene.local.redis.keys(f"{keys.SHARES}*")
    ttl = scene.local.redis.ttl
    assert ttl(listing) >= ttl(keys.SHARE + link.id), "what opens can be revoked"
    listed = (await scene.ann.call("GET", "/api/conversations/c1/share")).body["shares"]
    assert len(listed) == 3 and listed[0]["id"] == brief.id
    assert "secret" not in listed[0]
    path = f"/api/conversations/c1/share/{link.id}"
    assert (await scene.bob.call("DELETE", path)).status == 404
    assert (await link.get()).status == 200
    assert (await scene.ann.call("DELETE", path)).status == 204
    assert (await link.get()).status == 404
    assert (await scene.ann.call("DELETE", path)).status == 404
    await eventually(lambda: is_gone(brief), "it expires")
    listed = (await scene.ann.call("GET", "/api/conversations/c1/share")).body["shares"]
    assert [share["id"] for share in listed] == [kept.id]
    life_s = scene.local.redis.ttl(keys.SHARE + kept.id)
    assert 0 <= 7 * 24 * 3600 - life_s < 60, "a week, if nothing else is said"
    await scene.ann.call("DELETE", "/api/conversations/c1")
    assert await is_gone(kept)
    await scene.ann.call("POST", "/api/conversations/c1/restore")
    assert not await is_gone(kept)
    await scene.ann.call("DELETE", "/api/conversations/c1")
    await asyncio.sleep(0.002)
    await scene.ann.ask(script(length=1), conversation_id="c1")
    assert await is_gone(kept)


async def test_a_conversation_has_so_many(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more there is none until one is revoked; another conversation has its own."""
    monkeypatch.setattr("shared.shares._MOST", 2)
    link, _ = await scene.link(), await scene.link()
    path = "/api/conversations/c1/share"
    assert (await scene.ann.call("POST", path, json={})).status == 429
    await scene.ann.ask(script(length=1), conversation_id="c2")
    await scene.link("c2")
    await scene.ann.call("DELETE", f"{path}/{link.id}")
    await scene.link()


async def test_revoked_while_it_is_read(scene: Scene) -> None:
    """An open stream ends within seconds."""
    link = await scene.link()
    async with await scene.ann.send(script(length=1000, rate=20), conversation_id="c1") as reader:
        await reader.until("chunk")
        path = f"/api/shared/{link.id}/chat/{reader.generation_id}/stream"
        async with await scene.nobody.open("GET", path, headers=link.headers) as shared:
            await shared.until("chunk")
            await scene.ann.call("DELETE", f"/api/conversations/c1/share/{link.id}")
            await shared.all(timeout_s=5)
        last = shared.frames[-1].data
        assert (last["type"], last["metadata"]["code"]) == ("error", "access_ended")
        await scene.ann.cancel(reader.generation_id)


async def test_revoked_after_it_could_not_be_looked_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the broker refuses to say is asked again: whoever reads is still sent away in the end."""
    monkeypatch.setattr(shares, "_LOOK_S", 0.02)
    link = await scene.link()
    kept = keys.SHARE + link.id
    async with await scene.ann.send(script(length=1000, rate=20), conversation_id="c1") as reader:
        path = f"/api/shared/{link.id}/chat/{reader.generation_id}/stream"
        await reader.until("chunk")
        async with await scene.nobody.open("GET", path, headers=link.headers) as shared:
            await shared.until("chunk")
            scene.local.redis.delete(kept)
            scene.local.redis.lpush(kept, "of another kind")
            scene.local.redis.expire(kept, 60)
            await shared.until("chunk", 5)  # looked at meanwhile, again and again
            scene.local.redis.delete(kept)
            await shared.all(timeout_s=5)
        assert shared.frames[-1].data["metadata"]["code"] == "access_ended"
        await scene.ann.cancel(reader.generation_id)


async def is_gone(link: Link) -> bool:
    """Whether it leads nowhere."""
    return (await link.get()).status == 404
