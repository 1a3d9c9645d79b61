"""The Python client in a room, over connections that break."""

import asyncio
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession

from headrace import HeadraceClient, HeadraceError, RoomEvent
from headrace import room_events as events
from tests.kit.chat_client import script
from tests.kit.link import Link
from tests.kit.local import Local
from tests.kit.room_client import member
from worker.backends.script import expected_text


async def test_a_member_whose_connection_breaks(local: Local, session: ClientSession) -> None:
    """It comes back where it was: each entry once, and what it said once."""
    url = await local.start()
    with Link(urlsplit(url).port or 0) as link:
        async with (
            HeadraceClient(f"http://127.0.0.1:{link.port}") as client,
            member(session, url, "r", "bob") as bob,
        ):
            room, read, cuts = client.room("r", user_id="ann", name="Ann"), list[RoomEvent](), 0
            async with asyncio.timeout(20):
                async for event in room:
                    read.append(event)
                    match event:
                        case events.Members():
                            if not cuts:
                                await room.say(script(length=30, rate=60))
                        case events.ReplyChunk() if cuts < 2:
                            cuts += 1
                            link.cut()
                            await room.say(f"lost on its way {cuts}")
                        case events.ReplyEnded() if len(kinds(read, events.Message)) == 3:
                            await room.leave()
            await bob.until("message", content="lost on its way 2")
            while bob.last != room.position:
                await bob.next()
        entries = [event for event in read if event.position is not None]
        positions = [event.position for event in entries]
        assert positions == [each["position"] for each in bob.log][: len(positions)]
        first = next(event for event in entries if isinstance(event, events.ReplyStarted)).generation_id
        chunks = [event for event in entries if isinstance(event, events.ReplyChunk)]
        text = "".join(chunk.content for chunk in chunks if chunk.generation_id == first)
        assert text == expected_text({"length": 30})
        assert len(kinds(read, events.Message)) == 3
        assert len(kinds(read, events.Reconnecting)) >= 2
        assert not kinds(read, events.Refused)


async def test_a_room_that_is_not_open(local: Local) -> None:
    """It says why, and does not try for ever; who leaves has left, also while it connects."""
    url = await local.start(api_keys="sk-ann")
    async with HeadraceClient(url) as stranger, HeadraceClient(url, api_key="sk-ann") as ann:
        with pytest.raises(HeadraceError) as refused:
            async for _ in stranger.room("r"):
                pass
        assert refused.value.code == "unauthorized"
        room = ann.room("r", user_id="ann")
        async for event in room:
            match event:
                case events.Members():
                    await room.typing()
                    await room.typing()
                    await room.invite("reader", 60)
                case events.Invitation():
                    token = event.invitation
                    await room.clear()
                case events.Cleared():
                    await room.leave()
        async for event in (guest := stranger.room("r", invitation=token)):
            if isinstance(event, events.Members):
                assert event.you == guest.user_id
                assert {"userId": event.you, "name": event.you, "role": "reader"} in event.members
                await guest.leave()
        coming = asyncio.ensure_future(anext(aiter(room := ann.room("r", user_id="ann"))))
        await asyncio.sleep(0)
        await room.leave()
        with pytest.raises(StopAsyncIteration):
            await coming


def kinds(read: list[RoomEvent], kind: type[RoomEvent]) -> list[RoomEvent]:
    """Those of that kind."""
    return [event for event in read if isinstance(event, kind)]
