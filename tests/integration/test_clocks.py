"""Whatever a machine's clock says, and whenever it is set: nothing fails, lasts longer or waits for it."""

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from aiohttp import ClientSession

from shared import keys
from tests.conftest import StartStack
from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import ChatClient, script
from tests.kit.clocks import SetClock
from tests.kit.debian import faketime
from tests.kit.eventually import eventually
from tests.kit.program import Program
from tests.kit.stack import MODELS, Stack
from worker.backends.script import expected_text

pytestmark = pytest.mark.skipif(faketime() is None, reason="needs libfaketime")

_HOUR_S = 3600
_LIMITED = (
    MODELS
    + """
[models.limited]
backend = "scripted"
total_timeout_s = 1.5
parameters = { rate = 20, length = 1000 }
"""
)


@pytest.fixture
def clock(tmp_path: Path) -> SetClock:
    """A wall clock that the test sets."""
    return SetClock(tmp_path)


@pytest.fixture
def set_broker(clock: SetClock) -> Iterator[EmbeddedBroker]:
    """A broker whose clock the test sets."""
    broker = EmbeddedBroker(clock.environment)
    broker.start()
    yield broker
    broker.remove()


@pytest.mark.parametrize("ahead_s", [_HOUR_S, -_HOUR_S])
async def test_a_worker_with_another_clock(
    own_stack: StartStack, session: ClientSession, clock: SetClock, ahead_s: int
) -> None:
    """A time limit is neither over at once nor never: it is not counted by two machines' clocks."""
    clock.set(ahead_s)
    stack = await own_stack(workers=0, models=_LIMITED, lease_s=0.5)
    await stack.add_worker(env=clock.environment)
    chat = ChatClient(session, stack.gateways[0].url)
    assert (await chat.ask(script(length=5))).text == expected_text({"length": 5})
    async with await chat.send(model="limited") as reader:
        await reader.until("chunk", 10)
        stack.workers[0].signal(signal.SIGKILL)
        await stack.add_worker(env=clock.environment)
        await reader.all(timeout_s=5)
    assert reader.end.data["metadata"]["code"] == "total_timeout"


async def test_the_brokers_clock_is_set(
    set_broker: EmbeddedBroker, own_stack: StartStack, session: ClientSession, clock: SetClock
) -> None:
    """On and back: new messages are taken, the living keep what is theirs, the dead are taken over."""
    stack = await own_stack(broker=set_broker, lease_s=1.5)
    chat, options = ChatClient(session, stack.gateways[0].url), {"length": 4000, "rate": 40}
    async with await chat.send(script(**options)) as reader:
        await reader.until("chunk")
        await stack.add_worker()
        await shared_time(stack)
        for noticed, by_s in enumerate((_HOUR_S, -60), 1):
            clock.set(by_s)
            for _ in range(4):
                async with await chat.send(script(length=5)) as short:
                    await short.all(timeout_s=3)
                assert short.text == expected_text({"length": 5})
            for program in (stack.workers[0], stack.gateways[0]):
                await eventually(partial(has_noticed, program, noticed), "it is noticed, once")
        assert (await chat.status(reader.generation_id))["attempts"] == 1
        stack.workers[0].signal(signal.SIGKILL)
        while not reader.ids[-1].startswith("2-"):
            await reader.until("chunk", timeout_s=5)
    assert expected_text(options).startswith(reader.text)


def has_noticed(program: Program, times: int) -> bool:
    """Whether it has said so often that a clock was set."""
    return program.log.count("clock was set") == times


async def shared_time(stack: Stack) -> None:
    """Returns once each process has looked at the broker's clock."""
    first = stack.redis.hget(keys.CLOCK, "seen")
    await eventually(lambda: int(stack.redis.hget(keys.CLOCK, "seen")) > int(first) + 1500, "all have looked")
