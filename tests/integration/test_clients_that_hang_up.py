"""What follows an accepted step happens, although the client that asked for it hangs up meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import ClientSession

from shared import keys
from tests.conftest import StartStack
from tests.kit import invariants
from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.link import Link
from tests.kit.stack import Stack

_TIMES = 16
#: What a command takes to the broker, and its answer back.
_WAY_S = 0.02
_LONG = script(length=1000, rate=1)


@pytest.fixture
def link(broker: EmbeddedBroker) -> Iterator[Link]:
    """A slow wire to the broker: time to hang up between a step and what follows it."""
    with Link(broker.socket) as link:
        link.delay_s = _WAY_S
        yield link


@pytest.fixture
async def far(link: Link, own_stack: StartStack) -> AsyncIterator[Stack]:
    """A stack whose gateway has its broker at the end of that wire."""
    stack = await own_stack(gateways=0, lease_s=1)
    await stack.add_gateway(redis_url=f"redis://127.0.0.1:{link.port}/2")
    yield stack


async def hang_up(session: ClientSession, number: int, method: str, url: str, json: object = None) -> None:
    """Ask, and leave before the answer; by *number* at each moment of what is done for it."""
    asking = asyncio.ensure_future(session.request(method, url, json=json))
    await asyncio.wait([asking], timeout=_WAY_S * (1 + 5 * number / _TIMES))
    if asking.done():
        asking.result().close()
    else:
        asking.cancel()
        await asyncio.wait([asking])


async def test_deleting(far: Stack, session: ClientSession) -> None:
    """A deleted conversation leaves nothing that waits, and stops what answered it."""
    chat = ChatClient(session, far.gateways[0].url)

    async def once(number: int) -> None:
        name = f"c{number}"
        readers = [await chat.send(_LONG, conversation_id=name, on_busy="queue") for _ in range(3)]
        await hang_up(session, number, "DELETE", f"{chat.url}/api/conversations/{name}")
        for reader in readers:
            reader.cut()

    await asyncio.gather(*(once(number) for number in range(_TIMES)))
    kept = {key.decode().rpartition(":")[2] for key in far.redis.scan_iter(keys.CONVERSATION + "*")}
    for name in kept:  # it left before it was heard
        await chat.call("DELETE", f"/api/conversations/{name}")
    await eventually(lambda: not invariants.not_ended(far.redis), "all of it has ended", 10)


async def test_interrupting(far: Stack, session: ClientSession) -> None:
    """An accepted message that interrupts leaves nothing of what it interrupts."""
    chat = ChatClient(session, far.gateways[0].url)

    async def once(number: int) -> None:
        name = f"c{number}"
        async with await chat.send(_LONG, conversation_id=name) as first:
            await first.until("start")
            body = {"message": script(length=2), "conversation_id": name, "on_busy": "interrupt"}
            await hang_up(session, number, "POST", f"{chat.url}/api/chat/stream", body)
            said = (await chat.conversation(name))["conversation"]["active"]
            if len(waiting(name)) or said != first.generation_id:
                await first.all()
                assert first.end.data["metadata"]["reason"] == "interrupted"

    def waiting(name: str) -> list[bytes]:
        [key] = far.redis.keys(f"{keys.CONVERSATION}*:{name}")
        owner = key.decode().removeprefix(keys.CONVERSATION)
        return list(far.redis.lrange(keys.NEXT + owner, 0, -1))

    await asyncio.gather(*(once(number) for number in range(_TIMES)))
