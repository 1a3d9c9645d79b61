"""P14 under load: a model's first upstream goes, and comes back."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientSession

from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.upstream import FakeUpstream
from worker import producer
from worker.backends.script import expected_text

STREAMS = 100
LENGTH = 40
COOL_DOWN_S = 1.0
#: More than what asking no upstream but the well one takes, at the 99th percentile.
MOST_ADDED_S = 0.05
SHORT = script(length=1, rate=0)

MODELS = """
[models.two]
can_continue = true
cool_down_s = {cool_down_s}
[[models.two.upstreams]]
base_url = "{first}"
[[models.two.upstreams]]
base_url = "{second}"
[models.alone]
base_url = "{second}"
"""


@pytest.mark.timing
async def test_an_outage_under_a_hundred_streams(
    local: Local, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No stream fails or begins anew; who asks meanwhile hardly waits; once it is back, it is used again."""
    monkeypatch.setattr(producer, "_BACKOFF_S", 0.01)
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as well, FakeUpstream(length=LENGTH, rate=20) as second:
        async with AsyncExitStack() as down:
            first = await down.enter_async_context(FakeUpstream(length=LENGTH, rate=20))
            await local.start(
                MODELS.format(first=first.url, second=second.url, cool_down_s=COOL_DOWN_S),
                metrics_port=0,
            )
            chat = ChatClient(session, local.url)
            readers = [await chat.send(model="two") for _ in range(STREAMS)]
            await asyncio.gather(*(reader.until("chunk", 10) for reader in readers))
            assert (len(first.requests), len(second.requests)) == (STREAMS, 0)
        await asyncio.gather(*(reader.all(30) for reader in readers))
        assert {reader.text for reader in readers} == {expected_text({"length": LENGTH})}
        types = {frame.type for reader in readers for frame in reader.frames}
        assert types == {"start", "hand_over", "chunk", "end"}, "no reset"
        took: dict[str, list[float]] = {"alone": [], "two": []}
        for _ in range(STREAMS):
            for name, times in took.items():
                times.append(await first_word(chat, name))
        added_s = percentile(took["two"]) - percentile(took["alone"])
        print(f"added TTFT p99 while it is down: {added_s * 1000:.1f} ms")
        assert added_s <= MOST_ADDED_S
        port = int(first.url.rpartition(":")[2].partition("/")[0])
        back = await well.enter_async_context(FakeUpstream(port=port, length=LENGTH))
        began = loop.time()
        while not any(seen.message == SHORT for seen in back.requests):
            await first_word(chat, "two")
        print(f"used again after {loop.time() - began:.2f} s")
        assert loop.time() - began <= COOL_DOWN_S + 0.5


async def first_word(chat: ChatClient, model: str) -> float:
    """How long it takes to come."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with await chat.send(SHORT, model=model) as reader:
        await reader.until("chunk")
        took_s = loop.time() - began
        await reader.all()
    return took_s


def percentile(times: list[float]) -> float:
    """The 99th."""
    return sorted(times)[int(len(times) * 0.99) - 1]
