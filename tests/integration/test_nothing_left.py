"""What a reply leaves in a process: nothing that waits for the garbage collector, which comes seldom."""

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import ClientSession

from gateway.edge.connections import Connection
from gateway.relay.feed import Feed, Subscriber
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.stack import MODELS, upstream_model
from tests.kit.upstream import FakeUpstream
from worker import producer
from worker.appender import LogWriter
from worker.asking import Asking
from worker.producer import Producer
from worker.race import Race
from worker.running import Running

_OF_A_REPLY = (LogWriter, Asking, Producer, Race, Running, Feed, Subscriber, Connection)


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Nothing is collected meanwhile."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
async def test_nothing_is_left_to_the_collector(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what holds a reply's events, however it ended: a busy worker would hold many times as many."""
    monkeypatch.setattr(producer, "_BACKOFF_S", 0.01)
    ends: list[dict[str, Any]] = [
        {},
        {"break_after": 4},
        {"stall_after": 4},
        {"error_frame_after": 4},
        {"status": 500},
    ]
    async with FakeUpstream() as upstream, ClientSession() as session:
        await local.start(MODELS + upstream_model(upstream.url))
        chat = ChatClient(session, local.url)
        for end in ends:
            async with await chat.send(script(length=10, **end), model="upstream") as reader:
                if "stall_after" in end:
                    await reader.until("chunk")
                    await chat.cancel(reader.generation_id)
                await reader.all()
        await session.close()

        async def are_gone() -> bool:
            await asyncio.sleep(0.2)  # looking takes its time, in which nothing else can run
            return not _left()

        await eventually(are_gone, lambda: f"{_left()} of {len(ends)} replies are gone", timeout_s=15)


def _left() -> Counter[str]:
    return Counter(type(it).__name__ for it in gc.get_objects() if isinstance(it, _OF_A_REPLY))
