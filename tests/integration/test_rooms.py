"""Rooms: several people in one conversation, who all see the same, whenever and wherever they come."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from gateway.edge.leavers import tell
from gateway.rooms.acts import Acts, In
from shared import keys
from tests.integration.test_blobs import upload
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.room_client import member, number, transcript
from tests.kit.stack import upstream_model
from tests.kit.upstream import FakeUpstream
from worker.backends.script import expected_text

REPLY = script(length=12, rate=60)
TEXT = expected_text({"length": 12})


@pytest.fixture
async def url(local: Local) -> str:
    """A gateway."""
    return await local.start()


async def test_the_tutorials_wire(url: str, session: ClientSession) -> None:
    """A client that knows only `send_message`, `user_joined` and `stream_chunk`."""
    async with member(session, url, "lobby", "ann") as ann:
        assert (await ann.until("user_joined"))["userId"] == "ann"
        await ann.send(type="send_message", message=REPLY, userId="ann")
        assert (await ann.until("message"))["content"] == REPLY
        await ann.until("stream_end")
        chunks = [each for each in ann.log if each["type"] == "stream_chunk"]
        assert "".join(each["content"] for each in chunks) == TEXT
        assert {each["conversation_id"] for each in chunks} == {"lobby"}
        assert ann.numbers == [*range(1, len(ann.log) + 1)]


async def test_all_see_the_same(local: Local, url: str, session: ClientSession) -> None:
    """P19: at two gateways, one coming in mid-reply, one that comes back after what it has read."""
    elsewhere = await local.add_gateway()
    async with (
        member(session, url, "r", "ann") as ann,
        member(session, elsewhere, "r", "bob") as bob,
    ):
        await bob.until("user_joined", userId="bob")
        await ann.say(script(length=40, rate=60))
        await bob.until("stream_chunk", 5)
        left_at = bob.last
        async with member(session, elsewhere, "r", "late") as late:
            await bob.say("and this?")
            await ann.until("stream_end", 2)
            await bob.until("stream_end", 2)
            await late.until("stream_end", 2)
            async with member(session, url, "r", "bob", after=left_at) as again:
                await again.until("stream_end", 2)
                known = [each for each in bob.log if number(each["position"]) > number(left_at)]
                count = min(len(known), len(again.log))
                assert again.log[:count] == known[:count]
        end = len(late.log)
        assert ann.log[:end][: len(bob.log)] == bob.log[:end]
        assert late.log == ann.log[:end] or late.log[: len(ann.log)] == ann.log
        kinds = [kind for kind, _, _ in transcript(ann.log)]
        assert kinds.count("stream_start") == kinds.count("stream_end") == 2


async def test_messages_wait_together(url: str, session: ClientSession) -> None:
    """What is said while the model answers is answered by one reply, with everybody's name."""
    async with member(session, url, "r", "ann", name="Ann") as ann, member(session, url, "r", "bob") as bob:
        await ann.say(script(length=400, rate=30))
        await bob.until("stream_chunk")
        await bob.say("one")
        await ann.until("message", userId="bob")
        await ann.say("two")
        await bob.until("message", content="two")
        await bob.send(type="stop")
        await ann.until("stopped")
        await ann.until("stream_end")
        assert [each["type"] for each in ann.log].count("stream_start") == 2
        chat = ChatClient(session, url)
        begun = [each["generation_id"] for each in ann.log if each["type"] == "stream_start"]
        assert (await chat.call("GET", f"/api/chat/{begun[1]}")).status == 404, (
            "it is the room's, not anybody's"
        )


async def test_a_reply_nobody_watches_is_there_later(local: Local, url: str, session: ClientSession) -> None:
    """All leave in mid-reply; whoever comes back finds all of it. Then nobody listens any more."""
    async with member(session, url, "r", "ann") as ann:
        await ann.say(script(length=30, rate=60))
        await ann.until("stream_chunk", 3)
    async with member(session, url, "r", "ann") as again:
        await again.until("stream_end")
        said = "".join(each["content"] for each in again.log if each["type"] == "stream_chunk")
        assert said == expected_text({"length": 30})
        assert [each["type"] for each in again.log].count("user_left") == 1
    channels = f"{keys.LIVE}*"
    await eventually(lambda: asyncio.sleep(0, not local.redis.pubsub_channels(channels)), "it is left")


async def test_presence(local: Local, url: str, session: ClientSession) -> None:
    """A member is there once, however many connections it has, and until the last of them ends."""
    elsewhere = await local.add_gateway()
    async with member(session, url, "r", "ann") as ann:
        async with AsyncExitStack() as bobs:
            for gateway in (url, url, elsewhere):
                bob = await bobs.enter_async_context(member(session, gateway, "r", "bob"))
                await bob.until("members")
            names = {each["userId"] for each in bob.told[0]["members"]}
            assert names == {"ann", "bob"}
        await ann.until("user_left", userId="bob")
        coming = [each["type"] for each in ann.log if each.get("userId") == "bob"]
        assert coming == ["user_joined", "user_left"]


async def test_typing_is_told_and_not_kept(url: str, session: ClientSession) -> None:
    """It reaches those who are there, at most once a second, and has no position."""
    async with member(session, url, "r", "ann") as ann, member(session, url, "r", "bob") as bob:
        await bob.until("members")
        for _ in range(5):
            await ann.send(type="user_typing", userId="ann")
        await ann.say("done")
        await bob.until("message")
        typing = [each for each in bob.told if each["type"] == "user_typing"]
        assert [each["userId"] for each in typing] == ["ann"]
        assert "position" not in typing[0]


async def test_a_message_sent_again_is_said_once(url: str, session: ClientSession) -> None:
    """A client that does not know whether its message arrived sends it again with its id."""
    async with member(session, url, "r", "ann") as ann:
        for _ in range(3):
            await ann.say("hello", id="m1")
        await ann.say("bye", id="m2")
        await ann.until("message", content="bye")
        assert [each["content"] for each in ann.log if each["type"] == "message"] == ["hello", "bye"]


async def test_invitations(local: Local, session: ClientSession) -> None:
    """Without the creator's key nobody enters; by an invitation, in its role, until it is revoked."""
    url = await local.start(api_keys="sk-ann,sk-bob")
    ann, bob = ChatClient(session, url, "sk-ann"), ChatClient(session, url, "sk-bob")
    made = await ann.call("POST", "/api/rooms", json={"room_id": "r", "may_stop": "creator"})
    assert made.status == 201
    again = await ann.call("POST", "/api/rooms", json={"room_id": "r", "may_stop": "members"})
    assert (again.status, again.body["may_stop"]) == (200, "creator"), "it keeps its rules"
    reader = await ann.call("POST", "/api/rooms/r/invitations", json={"role": "reader"})
    guest = await ann.call("POST", "/api/rooms/r/invitations", json={"expires_s": 3600})
    assert (await bob.call("GET", "/api/rooms/r")).status == 404
    assert (await bob.call("POST", "/api/rooms/r/invitations", json={})).status == 404
    with pytest.raises(WSServerHandshakeError) as refused:
        await session.ws_connect(f"{url}/ws/r")
    assert refused.value.status == 401
    forged = guest.body["invitation"][:-1] + ("0" if guest.body["invitation"][-1] != "0" else "1")
    with pytest.raises(WSServerHandshakeError):
        await session.ws_connect(f"{url}/ws/r?invitation={forged}")
    with pytest.raises(WSServerHandshakeError):
        await session.ws_connect(f"{url}/ws/other?invitation={guest.body['invitation']}")
    async with (
        member(session, url, "r", "watcher", invitation=reader.body["invitation"]) as watching,
        member(session, url, "r", "guest", invitation=guest.body["invitation"]) as invited,
    ):
        await watching.say("may I?")
        assert (await watching.until("error"))["code"] == "forbidden"
        await invited.say(script(length=300, rate=30))
        await watching.until("stream_chunk")
        await invited.send(type="stop")
        assert (await invited.until("error"))["code"] == "forbidden"
        gone = await ann.call("DELETE", f"/api/rooms/r/invitations/{guest.body['id']}")
        assert gone.status == 204
        gone = await ann.call("DELETE", f"/api/rooms/r/invitations/{guest.body['id']}")
        assert gone.status == 404
        while await invited.next():
            pass
        assert invited.socket.close_code == 4403
        with pytest.raises(WSServerHandshakeError) as refused:
            await session.ws_connect(f"{url}/ws/r?invitation={guest.body['invitation']}")
        assert refused.value.status == 403


async def test_a_picture_of_a_reply(local: Local, session: ClientSession) -> None:
    """It is told in the text, where those who are in the room read it, and nobody else."""
    url = await local.start(api_keys="sk-ann,sk-bob")
    ann, bob = ChatClient(session, url, "sk-ann"), ChatClient(session, url, "sk-bob")
    await ann.call("POST", "/api/rooms", json={"room_id": "r"})
    invited = (await ann.call("POST", "/api/rooms/r/invitations", json={"role": "reader"})).body
    token = invited["invitation"]
    headers = {"Authorization": "Bearer sk-ann"}
    async with (
        member(session, url, "r", invitation=token) as guest,
        member(session, url, "r", headers=headers) as me,
    ):
        await me.say(script(length=2, pictures=1))
        await guest.until("stream_end")
        [told] = [each for each in guest.log if "part" in each]
        assert (told["type"], told["content"]) == ("stream_chunk", f"\n\n![picture]({_at(told)})\n\n")
        for who, query, status in (
            (ann, "", 200),
            (bob, "", 404),
            (bob, f"?invitation={token}", 200),
            (ChatClient(session, url), "", 401),
        ):
            got = await who.call("GET", _at(told) + query)
            assert got.status == status, (query, got.body)
        secret = await upload(ann, b"Of nobody's business here")
        assert (await bob.call("GET", f"/api/rooms/r/blobs/{secret}?invitation={token}")).status == 404
        await ann.call("DELETE", f"/api/rooms/r/invitations/{invited['id']}")
        assert (await bob.call("GET", f"{_at(told)}?invitation={token}")).status == 403


def _at(told: dict[str, Any]) -> str:
    return f"/api/rooms/r/blobs/{told['part']['blob']}"


async def test_a_mention(url: str, session: ClientSession) -> None:
    """Where the model answers only who names it, the rest is talk among people."""
    chat = ChatClient(session, url)
    await chat.call("POST", "/api/rooms", json={"room_id": "r", "answers": "mention"})
    async with member(session, url, "r", "ann") as ann:
        await ann.say("lunch?")
        await ann.say("@Assistant where?")
        await ann.until("stream_end")
        kinds = [kind for kind, _, _ in transcript(ann.log)]
        assert kinds == ["user_joined", "message", "message", "stream_start", "stream_chunk", "stream_end"]


async def test_a_drain_shows_out(local: Local, url: str, session: ClientSession) -> None:
    """A gateway that goes away says so; the reply goes on at another, from where the member is."""
    elsewhere = await local.add_gateway()
    async with member(session, url, "r", "ann") as ann:
        await ann.say(script(length=60, rate=60))
        await ann.until("stream_chunk", 3)
        local.state.draining = True
        local.state.relay.drain()
        await tell(local.app)
        while await ann.next():
            pass
        assert ann.socket.close_code == 1001
    async with member(session, elsewhere, "r", "ann", after=ann.last) as again:
        await again.until("stream_end")
    text = "".join(each["content"] for each in ann.log + again.log if each["type"] == "stream_chunk")
    assert text == expected_text({"length": 60})


async def test_what_was_accepted_is_said(
    local: Local, url: str, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although its sender is shown out meanwhile."""
    begun, goes_on, say = asyncio.Event(), asyncio.Event(), Acts._say

    async def waits(acts: Acts, said: In) -> None:
        begun.set()
        await goes_on.wait()
        await say(acts, said)

    monkeypatch.setattr(Acts, "_say", waits)
    elsewhere = await local.add_gateway()
    async with member(session, elsewhere, "r", "bob") as bob, member(session, url, "r", "ann") as ann:
        await ann.say("last words")
        await begun.wait()
        await tell(local.app)
        goes_on.set()
        await bob.until("message", content="last words")
        await bob.until("stream_end")


async def test_a_member_who_does_not_read(local: Local, url: str, session: ClientSession) -> None:
    """Others are told all the same, and it finds everything once it reads again."""
    async with member(session, url, "r", "ann") as ann, member(session, url, "r", "slow") as slow:
        await ann.say(script(length=3000, rate=0))
        await ann.until("stream_end")
        await slow.until("stream_end")
        assert transcript(slow.log) == transcript(ann.log)
    await eventually(lambda: asyncio.sleep(0, not local.state.relay.open_streams), "nothing reads any more")


async def test_any_character_of_a_reply(url: str, session: ClientSession) -> None:
    """Whatever some take for a line's end is a character like any other."""
    text = "one\u2028two\x85three\x0bfour\x1cfive\nsix"
    async with member(session, url, "r", "ann") as ann:
        await ann.say(script(text=text, length=100, rate=0))
        await ann.until("stream_end")
        assert "".join(each["content"] for each in ann.log if each["type"] == "stream_chunk") == text


async def test_nothing_that_waits_is_cut(local: Local, session: ClientSession) -> None:
    """All that was said meanwhile reaches the model, however long; beyond a bound it is refused."""
    async with FakeUpstream() as upstream:
        url = await local.start(upstream_model(upstream.url), max_message_chars=1000)
        async with member(session, url, "r", "ann") as ann:
            await ann.say(script(length=1000, rate=20))
            await ann.until("stream_chunk")
            async with AsyncExitStack() as others:
                for number in range(6):
                    other = await others.enter_async_context(member(session, url, "r", f"user{number}"))
                    for _ in range(20):
                        await other.say("x" * 900)
                await other.until("error")
                assert other.told[-1]["code"] == "too_busy"
                await ann.send(type="stop")
                await ann.until("stream_end")
        asked = [request.body["messages"][-1]["content"] for request in upstream.requests]
        # What was said once there was room again is asked next.
        assert max(said.count("x" * 900) for said in asked) == 100


async def test_a_broker_that_lost_the_rooms_tail(local: Local, url: str, session: ClientSession) -> None:
    """As after a failover: members are told where the log ends now, and hear what is said from there."""
    async with member(session, url, "r", "ann") as ann:
        await ann.say(script(length=2, rate=0), id="m1")
        await ann.until("stream_end")
        kept = {key: local.redis.dump(key) for key in local.redis.scan_iter(match="hr:room*")}
        top = ann.last
        for word in ("lost", "lost too"):
            await ann.say(word)
            await ann.until("stream_end")
        for key, value in kept.items():
            local.redis.restore(key, 1_000_000, value, replace=True)
        assert (await ann.until("rewound"))["to"] == top
        await ann.say("said again")
        assert (await ann.until("message"))["content"] == "said again"
        await ann.until("stream_end")


async def test_a_broker_that_lost_the_room(local: Local, url: str, session: ClientSession) -> None:
    """Its members are shown out, and make it anew when they come again."""
    async with member(session, url, "r", "ann") as ann:
        await ann.until("user_joined")
        local.redis.delete(*local.redis.scan_iter(match="hr:room*"))
        while await ann.next():
            pass
        assert ann.socket.close_code == 1012
    async with member(session, url, "r", "ann") as again:
        await again.say("hello")
        await again.until("stream_end")
