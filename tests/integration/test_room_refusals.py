"""Rooms: what is no message, no room and no way in is refused in words, and nobody else notices."""

import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from yarl import URL

from tests.kit.chat_client import ChatClient
from tests.kit.local import Local
from tests.kit.room_client import member


@pytest.fixture
async def url(local: Local) -> str:
    """A gateway."""
    return await local.start()


@pytest.mark.parametrize(
    "sent",
    [
        "nonsense",
        '{"type": 1}',
        "[]",
        '{"type": "dance"}',
        '{"type": "send_message"}',
        '{"type": "send_message", "message": "  "}',
        '{"type": "send_message", "message": "x", "userId": "another"}',
        '{"type": "resume", "after": "2-x"}',
        '{"type": "send_message", "type": "stop"}',
        '{"type": "stop", "a": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"type": "send_message", "message": "\\ud800"}',
        '{"type": "send_message", "message": "\\u0000"}',
        '{"type": "send_message", "message": "x", "id": "a b"}',
        '{"type": "invite", "role": "creator"}',
        '{"type": "invite", "expires_s": 0}',
    ],
)
async def test_what_is_no_message(url: str, session: ClientSession, sent: str) -> None:
    """It is refused with a word, and the connection goes on."""
    async with member(session, url, "r", "ann") as ann:
        await ann.socket.send_str(sent)
        error = await ann.until("error")
        assert (error["code"], "position" in error) == ("invalid_request", False)
        await ann.say("still here")
        await ann.until("message", content="still here")
        await ann.until("stream_end")


async def test_frames_that_are_none(url: str, session: ClientSession) -> None:
    """Bytes are refused with a word; what is too long closes the connection, and hurts nobody else."""
    async with member(session, url, "r", "ann") as ann, member(session, url, "r", "bob") as bob:
        await ann.socket.send_bytes(b'{"type":"send_message","message":"x"}')
        assert (await ann.until("error"))["code"] == "invalid_request"
        await ann.socket.send_str('{"type":"send_message","message":"' + "x" * (2 << 20))
        while await ann.next():
            pass
        assert ann.socket.close_code == 1009
        await bob.say("still here")
        await bob.until("stream_end")


async def test_orders_without_end(url: str, session: ClientSession) -> None:
    """A thousand orders that say nothing cost one connection its pace, and the room nothing."""
    async with member(session, url, "r", "ann") as ann, member(session, url, "r", "bob") as bob:
        for number in range(1000):
            await ann.send(type=("resume", "stop", "clear")[number % 3])
        await ann.send(type="dance")
        assert (await ann.until("error", field="type"))["code"] == "invalid_request"
        refused = [each["code"] for each in ann.told if each["type"] == "error"]
        assert refused.count("too_busy") == 980
        await bob.say("still here")
        await bob.until("stream_end")


@pytest.mark.parametrize(
    "room", ["a%2Fb", "..%2Fx", "%00", "a%20b", "%F0%9F%99%82", "x" * 200, "-a", "a%0d%0ab"]
)
async def test_what_is_no_room(url: str, session: ClientSession, room: str) -> None:
    """Refused before the upgrade."""
    with pytest.raises(WSServerHandshakeError) as refused:
        await session.ws_connect(URL(f"{url}/ws/{room}", encoded=True))
    assert refused.value.status in {400, 404}


@pytest.mark.parametrize(
    "query",
    [
        "after=1-x",
        "after=7",
        "userId=a%20b",
        "name=%00",
        "member=short",
        "invitation=x.y",
        "invitation=" + "x" * 3000,
    ],
)
async def test_what_is_no_way_in(url: str, session: ClientSession, query: str) -> None:
    """Refused before the upgrade, in our shape."""
    with pytest.raises(WSServerHandshakeError) as refused:
        await session.ws_connect(f"{url}/ws/r?{query}")
    assert refused.value.status in {400, 401}


async def test_foreign_pages_are_kept_out(url: str, session: ClientSession) -> None:
    """A browser opens WebSockets across origins without asking."""
    for origin in ("https://evil.example", "null", "file://", url.replace("127.0.0.1", "127.0.0.2")):
        with pytest.raises(WSServerHandshakeError) as refused:
            await session.ws_connect(f"{url}/ws/r", headers={"Origin": origin})
        assert refused.value.status == 403, origin
    assert (await ChatClient(session, url).call("GET", "/ws/r")).status == 400, "no upgrade"
