"""What a speech speaks of a reply: followed in its log, else as its record has it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from shared import keys
from shared.channels import Channels
from shared.event_log import EventLog
from shared.events import End, Error, Event, Start, Text
from shared.failures import SpeechFailed
from tests.kit.chat_client import ChatClient, script
from tests.kit.hand import Hand, done
from tests.kit.local import Local
from worker.speech import source
from worker.speech.source import Sources


@pytest.fixture
async def sources(local: Local, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sources]:
    """Those of a worker."""
    monkeypatch.setattr(source, "_LOOK_AGAIN_S", 0.05)
    await local.start()
    broker = local.state.broker
    channels = Channels(broker, "a test")
    running = asyncio.create_task(channels.run())
    yield Sources(broker, channels, EventLog(broker))
    running.cancel()
    await asyncio.wait([running])


async def read(local: Local, sources: Sources, generation_id: str) -> list[Event]:
    """All that there is to speak of it."""
    cell = local.state.broker.cells.of_generation(generation_id)
    async with asyncio.timeout(5):
        return [event async for found in sources.events(cell, generation_id) for event in found]


async def test_once_the_log_has_expired(local: Local, sources: Sources, session: ClientSession) -> None:
    """Its record has the text, and how it broke off if it did."""
    chat = ChatClient(session, local.url)
    whole = await chat.ask(script(text="The river runs.", rate=0))
    broken = await chat.ask(
        script(text="The river runs.", rate=0, fail_after=2, fail_code="upstream_rejected")
    )
    local.redis.delete(*(keys.LOG + reply.generation_id for reply in (whole, broken)))
    [said] = await read(local, sources, whole.generation_id)
    assert isinstance(said, Text) and said.text == "The river runs."
    said, end = await read(local, sources, broken.generation_id)
    assert isinstance(said, Text) and said.text == broken.text
    assert isinstance(end, Error) and end.code == "upstream_rejected"


async def test_one_that_is_lost(
    local: Local, sources: Sources, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it for ever."""
    monkeypatch.setattr(source, "_LOST_FOR_S", 0.1)
    with pytest.raises(SpeechFailed):
        await read(local, sources, "gen_x")


async def test_two_of_one_reply(local: Local, sources: Sources, session: ClientSession) -> None:
    """One that leaves takes nothing from the other."""
    await local.stop_worker()
    chat, hand = ChatClient(session, local.url), Hand(local.state.broker, "a")
    async with await chat.send() as reply:
        generation_id = reply.generation_id
        assert await hand.claim(generation_id) is not None
        cell = local.state.broker.cells.of_generation(generation_id)
        leaves, stays = (sources.events(cell, generation_id) for _ in range(2))
        assert [await anext(leaves), await anext(stays)] == [[], []]
        await leaves.aclose()  # type: ignore[attr-defined]
        reading = asyncio.create_task(_rest(stays))
        await hand.write(generation_id, Start(ts=1, model="scripted"), Text(2, "One."), done())
        *_, end = await reading
        assert isinstance(end, End)
        await reply.all()


async def _rest(found: AsyncIterator[list[Event]]) -> list[Event]:
    return [event async for events in found for event in events]
