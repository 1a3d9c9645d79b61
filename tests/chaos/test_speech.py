"""P20: speech is dropped and resumed like text, whatever dies; and it never delays text."""

import asyncio
import base64
import signal
import time
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession

from shared import keys
from tests.chaos.crowd import p99
from tests.conftest import StartStack
from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.reader import Reader
from tests.kit.stack import Stack

SENTENCES = "The river runs under the bridge. 水车在转。 The miller opens the gate. "
SSE = {"format": "pcm", "stream_format": "sse"}


async def speaks(stack: Stack) -> None:
    """Returns once somebody does."""
    await eventually(lambda: stack.redis.exists(keys.SPEAKS), "somebody speaks", 20)


async def heard(session: ClientSession, gateways: list[str], path: str, found: list[dict[str, Any]]) -> None:
    """Read a speech to its end into *found*, at whichever gateway is there, from where it broke."""
    last: dict[str, str] = {}
    async with asyncio.timeout(40):
        while not (found and found[-1]["type"] in {"end", "error"}):
            gateways.append(gateways.pop(0))
            try:
                response = await session.get(gateways[0] + path, headers=last)
                if response.status != 200:
                    await asyncio.sleep(0.1)
                    continue
                path = response.headers["Location"] + "?stream_format=sse"
                async with Reader(response) as reader:
                    while frame := await reader.next():
                        found.append(frame.data)
                        last = {"Last-Event-ID": frame.id or ""}
            except (ClientError, OSError, TimeoutError):
                await asyncio.sleep(0.1)


async def test_all_of_it_dies(
    own_broker: EmbeddedBroker, own_stack: StartStack, session: ClientSession
) -> None:
    """Broker, gateway and worker killed while a reply is spoken: the sound is that of the whole text."""
    stack = await own_stack(broker=own_broker, gateways=2, speech="auto", lease_s=1, max_attempts=10)
    await speaks(stack)
    text, gateways = SENTENCES * 3, [gateway.url for gateway in stack.gateways]
    async with await ChatClient(session, gateways[1]).send(
        script(rate=14, text=text, length=len(text.split()))
    ) as reply:
        path = f"/api/chat/{reply.generation_id}/speech?format=pcm&stream_format=sse"
        found: list[dict[str, Any]] = []
        hearing = asyncio.create_task(heard(session, gateways, path, found))
        await eventually(lambda: len(found) > 1, "it is heard", 10)
        another = asyncio.create_task(stack.add_worker())
        own_broker.stop(signal.SIGKILL)
        own_broker.start()
        await eventually(lambda: len(found) > 4, "it is heard on", 15)
        await another
        stack.gateways[0].kill()
        stack.workers[0].kill()
        await hearing
    assert found[-1] == {"type": "end", "finish_reason": "stop"}, found[-1]
    sounds = [said for said in found if said["type"] == "audio"]
    assert (
        "".join(text[said["start"] : said["end"]] for said in sounds if said.get("last")).split()
        == text.split()
    )
    data = b"".join(base64.b64decode(said["audio"]) for said in sounds)
    assert [said["at"] for said in sounds] == sorted({said["at"] for said in sounds})
    async with session.post(
        f"{stack.gateways[1].url}/api/tts/stream", json={"text": text, "format": "pcm"}
    ) as response:
        assert data == await response.read()


@pytest.mark.timing
async def test_the_first_sentence(own_stack: StartStack, session: ClientSession) -> None:
    """It is heard within 400 ms of its being complete."""
    stack = await own_stack(speech="auto")
    await speaks(stack)
    client = ChatClient(session, stack.gateways[0].url)
    async with await client.send(script(rate=10, text=SENTENCES)) as reply:
        where = f"/api/chat/{reply.generation_id}/speech"
        async with await client.open("GET", where, params=SSE) as speech:
            hearing = asyncio.create_task(speech.until("audio"))
            while not reply.text.startswith("The river runs under the bridge. "):
                await reply.next()
            complete = time.monotonic()
            await hearing
            took = time.monotonic() - complete
    print(f"first sound {took * 1000:.0f} ms after the first sentence was complete")
    assert took <= 0.4


async def _delays(session: ClientSession, url: str, streams: int, speeches: int) -> list[float]:
    """How long after it was made each piece of text is read, in seconds; so many replies are spoken."""
    client, found, text = ChatClient(session, url), list[float](), SENTENCES * 6

    async def follow(speaks: bool) -> None:
        async with await client.send(script(rate=15, text=text, length=len(text.split()))) as reply:
            # What is heard is asked for beside what is read, or the asking would count as the text's delay.
            await asyncio.gather(read(reply), *([hear(reply)] if speaks else []))

    async def hear(reply: Reader) -> None:
        where = f"/api/chat/{reply.generation_id}/speech"
        async with await client.open("GET", where, params=SSE) as speech:
            await speech.all(60)

    async def read(reply: Reader) -> None:
        while frame := await reply.next():
            if frame.type == "chunk":
                stamp = frame.data["timestamp"]
                written = time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")
                made = time.mktime(written) - time.timezone + float(stamp[19:-1])
                found.append(time.time() - made)

    await asyncio.gather(*(follow(number < speeches) for number in range(streams)))
    return sorted(found)


@pytest.mark.long
@pytest.mark.timing
async def test_text_beside_ten_speeches(own_stack: StartStack, session: ClientSession) -> None:
    """Its delay's p99 is within 1.2 of that without, in the best of three rounds."""
    stack = await own_stack(speech="auto")
    await speaks(stack)
    url, ratios = stack.gateways[0].url, list[float]()
    for _ in range(3):
        without = p99(await _delays(session, url, 40, 0))
        beside = p99(await _delays(session, url, 40, 10))
        ratios.append(beside / without)
        print(f"p99 of text's delay: {without * 1000:.1f} ms, with ten speaking {beside * 1000:.1f} ms")
    assert min(ratios) <= 1.2, ratios
