"""Rooms as strangers meet them: what nobody may do, and what is told to whom when they try."""

import asyncio
import unicodedata
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError

from shared import keys
from shared.errors import NotFound
from tests.kit.api_keys import CACHE_S, made_key
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.room_client import MemberClient, member, number, transcript


async def closed(who: MemberClient) -> int | None:
    """Read until the connection has ended; its close code."""
    while await who.next():
        pass
    return who.socket.close_code


async def error_of(who: MemberClient, **sent: Any) -> str:
    """The code of the error that comes of sending that."""
    await who.send(**sent)
    return str((await who.until("error"))["code"])


@pytest.fixture
async def url(local: Local) -> str:
    """A gateway that asks nobody for a key."""
    return await local.start()


async def test_a_place_that_the_log_does_not_have(local: Local, url: str, session: ClientSession) -> None:
    """Ahead of the log, of another room or of a room's earlier life: told so, and nothing is missed."""
    async with member(session, url, "r", "ann") as ann, member(session, url, "other", "ann") as other:
        await ann.say("hello", id="m1")
        await ann.until("stream_end")
        await other.until("user_joined")
        life = ann.last.partition("-")[0]
        for after in (f"{life}-999", f"{other.last.partition('-')[0]}-1"):
            async with member(session, url, "r", "bob", after=after) as bob:
                to = (await bob.until("rewound"))["to"]
                assert number(to) == (bob.as_of if after.startswith(life) else 0)
                await ann.say(f"again {after}")
                await bob.until("message", content=f"again {after}")
                assert bob.numbers == [*range(number(to) + 1, number(bob.last) + 1)]
                await ann.send(type="resume", after=f"{life}-99999")
                assert (await ann.until("rewound"))["to"].startswith(life)
    first = ann.last
    local.redis.delete(*local.redis.scan_iter(match="hr:room*"))
    async with member(session, url, "r", "ann", after=first) as again:
        assert number((await again.until("rewound"))["to"]) == 0
        assert again.told[1]["to"] != f"{life}-0"


async def test_what_the_log_has_let_go(local: Local, url: str, session: ClientSession) -> None:
    """Whoever comes back to before it is told what is missing, and reads on with what there is."""
    elsewhere = await local.add_gateway()
    async with member(session, url, "r", "ann") as ann:
        await ann.say(script(length=5))
        await ann.until("stream_end")
        [log] = local.redis.keys(f"{keys.ROOM_LOG}*")
        local.redis.xtrim(log, maxlen=2, approximate=False)
        left = f"{ann.last.partition('-')[0]}-1"
        async with member(session, elsewhere, "r", "bob", after=left) as bob:
            cut = await bob.until("truncated")
            await bob.until("user_joined", userId="bob")
            assert (cut["after"], cut["first"]) == (left, bob.log[0]["position"])
            assert number(cut["first"]) == number(ann.last) - 1


async def test_one_id_for_two_messages(url: str, session: ClientSession) -> None:
    """The second is not taken for the first, nor lost in silence; ids of two members are apart."""
    async with member(session, url, "r", "ann") as ann, member(session, url, "r", "ann:x") as other:
        await ann.say("one", id="x:m1")
        await ann.until("message", content="one")
        assert await error_of(ann, type="send_message", message="two", id="x:m1") == "idempotency_mismatch"
        await other.say("three", id="m1")
        await ann.until("message", content="three")
        await other.say("four", id="x:m1")
        await ann.until("message", content="four")


async def test_a_stop_says_by_whom(local: Local, url: str, session: ClientSession) -> None:
    """To everybody, of that reply alone; where nothing is under way the member is told that."""
    async with member(session, url, "r", "ann") as ann, member(session, url, "r", "bob", name="Bob") as bob:
        assert await error_of(bob, type="stop") == "conflict"
        await ann.say(script(length=500, rate=30))
        await bob.until("stream_chunk")
        await bob.send(type="stop")
        stopped = await ann.until("stopped")
        assert (stopped["userId"], stopped["name"]) == ("bob", "Bob")
        await ann.say(script(length=500, rate=30))
        generation_id = (await ann.until("stream_chunk"))["generation_id"]
        owner = local.redis.hget(keys.RECORD + generation_id, "owner").decode()
        await local.state.generations.cancel(generation_id, owner, "user")
        stopped = await ann.until("stopped")
        assert "userId" not in stopped, stopped


async def test_clearing(url: str, session: ClientSession) -> None:
    """Said in order; the reply under way ends, nobody who comes later sees what was before."""
    async with member(session, url, "r", "ann") as ann, member(session, url, "r", "bob") as bob:
        await ann.say(script(length=2))
        await bob.until("stream_end")
        seen = bob.last
        await ann.say(script(length=500, rate=30))
        await bob.until("stream_chunk")
        await bob.say("waits")
        await ann.until("message", content="waits")
        await ann.send(type="clear")
        for each in (ann, bob):
            assert (await each.until("stopped"))["userId"] == "ann"
            assert (await each.until("cleared"))["userId"] == "ann"
        async with (
            member(session, url, "r", "late") as late,
            member(session, url, "r", "back", after=seen) as back,
        ):
            await late.say("anew")
            await ann.until("stream_end")
            for each in (late, back):
                await each.until("stream_end")
                assert each.log[0]["type"] == "cleared"
                assert not [told for told in each.told if told["type"] in {"truncated", "rewound"}]
            said = [text for kind, _, text in transcript(late.log) if kind == "message"]
            assert said == ["anew"]
            assert "waits" not in late.log[-1].get("content", "")
            assert ann.log[-len(late.log) :][-3:] == late.log[-3:]


async def test_rights(local: Local, session: ClientSession) -> None:
    """Who may stop, clear and invite is the room's rule; whoever may only read does nothing."""
    url = await local.start(api_keys="sk-ann")
    ann = ChatClient(session, url, "sk-ann")
    headers = {"Authorization": "Bearer sk-ann"}
    for name, right, wanted in (("a", "creator", "forbidden"), ("b", "members", None)):
        rules = {"room_id": name, "may_clear": right, "may_invite": right}
        assert (await ann.call("POST", "/api/rooms", json=rules)).status == 201
        made = [
            (await ann.call("POST", f"/api/rooms/{name}/invitations", json={"role": role})).body
            for role in ("reader", "member")
        ]
        async with (
            member(session, url, name, "ann", headers=headers) as creator,
            member(session, url, name, "reader", invitation=made[0]["invitation"]) as reader,
            member(session, url, name, "guest", invitation=made[1]["invitation"]) as guest,
        ):
            for kind in ("send_message", "user_typing", "stop", "clear", "invite"):
                assert await error_of(reader, type=kind, message="x") == "forbidden", kind
            if wanted:
                assert await error_of(guest, type="clear") == wanted
                assert await error_of(guest, type="invite") == wanted
            else:
                await guest.send(type="clear")
                await creator.until("cleared", userId="guest")
                await guest.send(type="invite", role="reader")
                further = (await guest.until("invitation"))["invitation"]
                async with member(session, url, name, "further", invitation=further) as last:
                    await last.until("members")
                    # With the one who invited goes who was invited.
                    await ann.call("DELETE", f"/api/rooms/{name}/invitations/{made[1]['id']}")
                    assert await closed(last) == 4403
                    assert await closed(guest) == 4403


async def test_names(local: Local, session: ClientSession) -> None:
    """A guest is never taken for the creator; two of one name are told apart by everybody."""
    url = await local.start(api_keys="sk-ann")
    chat = ChatClient(session, url, "sk-ann")
    await chat.call("POST", "/api/rooms", json={"room_id": "r"})
    token = (await chat.call("POST", "/api/rooms/r/invitations", json={})).body["invitation"]
    headers = {"Authorization": "Bearer sk-ann"}
    async with member(session, url, "r", "early", invitation=token) as early:
        await early.until("members")
        async with member(session, url, "r", "early", name="Ann", headers=headers) as ann:
            await ann.until("members")
            assert await closed(early) == 4409, "its name is the creator's now"
            with pytest.raises(WSServerHandshakeError) as refused:
                await session.ws_connect(f"{url}/ws/r?userId=early&invitation={token}")
            assert refused.value.status == 409
            async with member(session, url, "r", "guest", name="ANN", invitation=token) as guest:
                await guest.say("I am Ann")
                said = await ann.until("message")
                assert (said["name"], said["role"], said["userId"]) == ("ANN (guest)", "member", "guest")
                await ann.until("stream_end")


async def test_names_of_those_who_come_at_once(local: Local, session: ClientSession) -> None:
    """Nobody is shown as another who came in the same moment, before the room knew of either."""
    url = await local.start()
    names = ["Ann", "ANN", "ann", "\uff21nn", "aNN", "Ann (u0)", "Ann (u1)", "ann (U1) (u1)"]
    async with AsyncExitStack() as stack:
        coming = [
            stack.enter_async_context(member(session, url, "r", f"u{number}", name=name))
            for number, name in enumerate(names)
        ]
        here = await asyncio.gather(*coming)
        for each in here:
            await each.say("hello")
        said = [await here[0].until("message") for _ in names]
    shown = [unicodedata.normalize("NFKC", one["name"]).casefold() for one in said]
    assert len(set(shown)) == len(names), shown
    assert sum(" (u" not in one for one in shown) == 1
    assert all(one.startswith("ann") for one in shown)


async def test_a_key_revoked_in_an_open_room(local: Local, session: ClientSession) -> None:
    """P16: whoever came by it is shown out within seconds; another key of the same user stays."""
    url = await local.start(auth="keys", key_cache_s=CACHE_S)
    kept, key = await made_key(local, user="ann")
    _, other = await made_key(local, user="ann")
    async with (
        member(session, url, "r", "ann", headers={"x-api-key": key}) as ann,
        member(session, url, "r", "bob", headers={"x-api-key": other}) as bob,
    ):
        await bob.until("members")
        await local.state.api_keys.revoke(kept.id)
        assert await closed(ann) == 4401
        await bob.say("still here")
        await bob.until("message")
    with pytest.raises(NotFound):
        await local.state.api_keys.revoke("nothing")


async def test_a_storm_of_connections(local: Local, url: str, session: ClientSession) -> None:
    """Members whose connections break and who come back at once fill no log and are still there."""
    async with member(session, url, "r", "ann") as ann:
        await ann.until("user_joined")
        for _ in range(3):
            known = [f"userId=u{i}&member={'x' * 16}{i}" for i in range(10)]
            sockets = [await session.ws_connect(f"{url}/ws/r?{each}") for each in known]
            for socket in sockets:
                assert (await socket.receive()).type is WSMsgType.TEXT
                assert socket._response.connection is not None
                socket._response.connection.transport.abort()  # type: ignore[union-attr]
        await ann.say("done")
        await ann.until("message")
        coming = [each["type"] for each in ann.log if each.get("userId", "").startswith("u")]
        assert coming == ["user_joined"] * 10
        await ann.until("user_left", 10)


async def test_writing_too_fast(url: str, session: ClientSession) -> None:
    """By however many connections: what is refused is said, with the time to come back."""
    async with member(session, url, "r", "ann") as ann, member(session, url, "r", "ann") as again:
        for _ in range(10):
            await ann.say("x")
            await again.say("y")
        await ann.until("message", 20)
        await again.send(type="send_message", message="z", id="m9")
        error = await again.until("error")
        assert (error["code"], error["id"]) == ("too_busy", "m9")
        assert 0 < error["retry_after_s"] <= 10


async def test_beyond_loopback_without_keys(local: Local, session: ClientSession) -> None:
    """What an address may ask for without a key holds in rooms too, however they are called."""
    url = await local.start(allow_anonymous=True, host="0.0.0.0", hosts="*", anonymous_requests_per_minute=3)
    async with member(session, url, "r", "ann") as ann:
        for word in ("one", "two"):
            await ann.say(word)
            await ann.until("stream_end")
        assert await error_of(ann, type="send_message", message="three") == "rate_limited"
    with pytest.raises(WSServerHandshakeError) as refused:
        await session.ws_connect(f"{url}/ws/another")
    assert refused.value.status == 429


async def test_however_much_is_sent(url: str, session: ClientSession) -> None:
    """What a member sends over the life of a connection has no bound; one frame has."""
    async with member(session, url, "r", "ann") as ann:
        await ann.until("user_joined")
        typing = {"type": "user_typing", "userId": "ann", "more": "x" * 10_000}
        for _ in range(20):
            await ann.socket.send_json(typing)
        await ann.say(script(length=2))
        await ann.until("stream_end")


async def test_a_member_who_reads_nothing(local: Local, url: str, session: ClientSession) -> None:
    """Costs a bounded buffer however much is said, holds nobody up, and is shown out in bounded time."""
    async with member(session, url, "r", "ann") as ann:
        await ann.until("user_joined")
        slow = await session.ws_connect(f"{url}/ws/r?userId=slow")
        assert slow._response.connection is not None
        transport: Any = slow._response.connection.transport
        transport.pause_reading()
        await ann.until("user_joined", userId="slow")
        for _ in range(2):
            await ann.say(script(length=12_000, rate=0))
            await ann.until("stream_end")
        waiting = sum(connection.get_write_buffer_size() for connection in local.connections)  # type: ignore[attr-defined]
        assert waiting < 1_000_000, "of 5 MB that were said"
        transport.abort()
    await eventually(lambda: asyncio.sleep(0, not local.state.relay.open_streams), "nothing reads any more")
