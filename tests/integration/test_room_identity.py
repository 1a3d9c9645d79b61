"""Nobody in a room is taken for another: an id is of whoever has it, for as long as they are there."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientSession

from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.room_client import MemberClient, member


@pytest.fixture
async def url(local: Local) -> str:
    """A gateway that asks nobody for a key."""
    return await local.start()


async def you(who: MemberClient) -> str:
    """The id that it goes by, as it is told first."""
    return str((await who.until("members"))["you"])


async def test_an_id_that_somebody_has(local: Local, url: str, session: ClientSession) -> None:
    """Whoever asks for it at any gateway is somebody else, goes on all the same, and is told so."""
    elsewhere = await local.add_gateway()
    async with (
        member(session, url, "r", "ann") as ann,
        member(session, elsewhere, "r", "ann", is_plain=True) as other,
    ):
        assert await you(ann) == "ann"
        another = await you(other)
        assert another.startswith("ann-")
        await ann.until("user_joined", userId=another)
        # It knows of no other id than the one that it asked for.
        await other.say(script(length=500, rate=30), userId="ann")
        said = await ann.until("message")
        assert (said["userId"], said["name"]) == (another, another)
        await ann.until("stream_chunk")
        await other.send(type="stop", userId="ann")
        assert (await ann.until("stopped"))["userId"] == another
        async with member(session, elsewhere, "r", "ann") as again:
            assert await you(again) == "ann"
        await ann.say("it was me")
        assert (await other.until("message", content="it was me"))["userId"] == "ann"
        await other.until("stream_end")
        coming = [each["type"] for each in ann.log if each.get("userId") == "ann"]
        assert coming.count("user_joined") == 1


async def test_an_id_is_free_once_its_holder_has_left(url: str, session: ClientSession) -> None:
    """Also for a client that brings nothing but the id."""
    async with member(session, url, "r", "bob") as bob:
        for _ in range(2):
            async with member(session, url, "r", "ann", is_plain=True) as ann:
                assert await you(ann) == "ann"
            await bob.until("user_left", userId="ann")


async def test_guests_of_one_link(local: Local, session: ClientSession) -> None:
    """However many ask for an id at the same moment, one has it; a key is one person."""
    url = await local.start(api_keys="sk-ann")
    elsewhere = await local.add_gateway()
    chat = ChatClient(session, url, "sk-ann")
    await chat.call("POST", "/api/rooms", json={"room_id": "r"})
    token = (await chat.call("POST", "/api/rooms/r/invitations", json={})).body["invitation"]
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        guests = await asyncio.gather(
            *(
                enter(member(session, at, "r", "guest", is_plain=True, invitation=token))
                for at in (url, elsewhere) * 3
            )
        )
        ids = [await you(guest) for guest in guests]
        assert len({*ids}) == len(ids)
        assert "guest" in ids
        key = {"Authorization": "Bearer sk-ann"}
        for _ in range(2):
            creator = await enter(member(session, url, "r", "ann", is_plain=True, headers=key))
            assert await you(creator) == "ann"


async def test_a_browser_is_known_by_its_cookie(url: str, session: ClientSession) -> None:
    """A page that is loaded again, or opened twice, is the same one; no script and no other site has it."""
    async with session.ws_connect(f"{url}/ws/r?userId=ann") as first:
        cookie = first._response.cookies["headrace_member"]
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")
        assert (await first.receive_json())["you"] == "ann"
        headers = {"Cookie": f"headrace_member={cookie.value}"}
        async with session.ws_connect(f"{url}/ws/r?userId=ann", headers=headers) as again:
            assert "headrace_member" not in again._response.cookies
            assert (await again.receive_json())["you"] == "ann"


async def test_who_says_their_id_when_they_speak(url: str, session: ClientSession) -> None:
    """As the tutorial's clients do, whose address has none: they are who they say first, and stay that."""
    async with member(session, url, "r", "ann") as ann, member(session, url, "r") as bob:
        guest = await you(bob)
        await bob.send(type="user_typing", userId="bob")
        await ann.until("user_typing", userId="bob")
        await bob.say("hello", userId="bob")
        assert (await ann.until("message"))["userId"] == "bob"
        await ann.until("stream_end")
        assert [(e["type"], e["userId"]) for e in ann.log if e["type"].startswith("user")][-3:] == [
            ("user_joined", guest),
            ("user_joined", "bob"),
            ("user_left", guest),
        ]
        await bob.say("I am Ann", userId="ann")
        assert (await bob.until("error"))["field"] == "userId"
        async with member(session, url, "r") as thief:
            await thief.say("I am Ann", userId="ann")
            assert (await ann.until("message"))["userId"].startswith("ann-")
            await ann.until("stream_end")


async def test_a_room_keeps_nothing_of_who_came_and_went(
    local: Local, url: str, session: ClientSession
) -> None:
    """However many ids have been used, its record is as small as before."""
    async with member(session, url, "r", "ann") as ann:
        await you(ann)
        [room] = local.redis.keys("hr:room:*")
        before = local.redis.hlen(room)
        for number in range(20):
            async with member(session, url, "r", f"u{number}") as passing:
                await you(passing)
        await ann.until("user_left", 20)
        await eventually(
            lambda: asyncio.sleep(0, local.redis.hlen(room) == before), "nothing of them is kept"
        )
