"""Behind a trusted proxy limits of an address are its clients' own; nobody gains by a forged header."""

import asyncio
import sys

import pytest
from aiohttp import ClientSession

from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.wire import Wire

_MESSAGES = 2


def told(address: str) -> dict[str, str]:
    """What a proxy says of a client."""
    return {"X-Forwarded-For": address}


async def test_messages_without_a_key(local: Local, session: ClientSession) -> None:
    """Each client has its own; one that forges the header in front of its proxy's word has no more."""
    await local.start(
        trusted_proxies="127.0.0.0/8",
        allow_anonymous=True,
        anonymous_requests_per_minute=_MESSAGES,
    )
    chat = ChatClient(session, local.url)
    for client in ("198.51.100.1", "198.51.100.2", "2001:db8::1"):
        for number in range(_MESSAGES):
            forged = f"6.6.6.{number}, 127.0.0.9, {client}"
            async with await chat.send(script(length=1), headers=told(forged)) as reader:
                await reader.all()
        refused = await chat.submit(headers=told(f"6.6.6.6, {client}"))
        assert (refused.status, refused.error["code"]) == (429, "rate_limited")
    await local.state.ledger.settle("anonymous")


async def test_a_stranger_is_no_proxy(local: Local, session: ClientSession) -> None:
    """Who connects from elsewhere counts for itself, whatever it says."""
    await local.start(
        trusted_proxies="192.0.2.0/24", allow_anonymous=True, anonymous_requests_per_minute=_MESSAGES
    )
    chat = ChatClient(session, local.url)
    for number in range(_MESSAGES):
        async with await chat.send(script(length=1), headers=told(f"198.51.100.{number}")) as reader:
            await reader.all()
    assert (await chat.submit(headers=told("198.51.100.9"))).status == 429
    await local.state.ledger.settle("anonymous")


@pytest.mark.skipif(sys.platform != "linux", reason="loopback has one address elsewhere")
async def test_room_for_an_address(local: Local, session: ClientSession) -> None:
    """
    A proxy may have any number of connections; each client as many requests at once as it might have
    connections, with or without the proxy.
    """
    await local.start(trusted_proxies="127.0.0.1", allow_anonymous=True, max_connections_per_address=2)
    chat, slow = ChatClient(session, local.url), script(length=1000, rate=20)
    ann, ben = told("127.0.0.5"), told("198.51.100.2")
    async with await chat.send(slow, headers=ann) as one, await chat.send(slow, headers=ann) as two:
        await asyncio.gather(one.until("chunk"), two.until("chunk"))
        refused = await chat.submit(headers=ann)
        assert (refused.status, refused.error["code"]) == (429, "too_busy")
        assert refused.headers["Retry-After"]
        async with Wire(int(local.url.rpartition(":")[2]), ann["X-Forwarded-For"]) as direct:
            assert (await direct.answer()).error["code"] == "too_busy"
        async with await chat.send(slow, headers=ben) as three, await chat.send(slow, headers=ben) as four:
            await asyncio.gather(three.until("chunk"), four.until("chunk"))
    await eventually(lambda: is_served(chat, ann), "there is room again")


async def test_a_proxy_makes_loopback_the_world(local: Local, session: ClientSession) -> None:
    """What is for this machine alone is not served through a proxy, whether or not it is known."""
    await local.start()
    behind = await local.add_gateway(trusted_proxies="127.0.0.1", allow_anonymous=True)
    for path in ("/metrics", "/api/admin/keys"):
        chat = ChatClient(session, local.url)
        assert (await chat.call("GET", path)).status != 404
        for header in ("X-Forwarded-For", "Forwarded", "Via"):
            assert (await chat.call("GET", path, headers={header: "1.1 proxy"})).status == 404
        assert (await ChatClient(session, behind).call("GET", path)).status == 404
    with pytest.raises(ValueError, match="HEADRACE_AUTH=keys"):
        local.settings(trusted_proxies="127.0.0.1").refuse_open_door()


async def is_served(chat: ChatClient, headers: dict[str, str]) -> bool:
    """Whether a request is answered as it should be."""
    return (await chat.call("GET", "/livez", headers=headers)).status == 200
