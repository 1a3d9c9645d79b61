"""P18: the last release and this one run side by side, and one takes the other's place, forwards and back."""

import os
import signal
import time
import tomllib
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.chaos.crowd import Crowd
from tests.conftest import StartStack
from tests.kit import releases
from tests.kit.chat_client import ChatClient, script
from tests.kit.program import Program

OLD = "0.2.0"
NEW = tomllib.loads((releases.ROOT / "pyproject.toml").read_text())["project"]["version"]
STREAMS = int(os.environ.get("CHAOS_STREAMS", "100"))

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not releases.is_known(releases.LAST), reason="a checkout without its history"),
]


@pytest.fixture(scope="module")
def last(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last release, installed from its wheel."""
    return releases.installed(tmp_path_factory.mktemp("last"), releases.LAST)


@pytest.fixture(scope="module")
def this(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This one, likewise."""
    return releases.installed(tmp_path_factory.mktemp("this"))


async def version(session: ClientSession, gateway: Program) -> str:
    """What a gateway says it is; the last release had no word for it but its API's description."""
    async with session.get(f"{gateway.url}/openapi.json") as response:
        return str((await response.json(content_type=None))["info"]["version"])


async def replace(program: Program, release: Path) -> None:
    """A rolling upgrade of one process: it drains, and *release* takes its place."""
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
    program.release = release
    program.start()
    await program.ready()


@pytest.mark.parametrize("first", ["workers", "gateways"])
@pytest.mark.parametrize("way", ["forwards", "back"])
async def test_a_rolling_upgrade(
    own_stack: StartStack, session: ClientSession, last: Path, this: Path, way: str, first: str
) -> None:
    """
    Streams that began under one version end under the other, each whole and once, in either order; meanwhile
    others begin, conversations go on, and Stop at one gateway reaches whichever worker it is for.
    """
    old, new = (last, this) if way == "forwards" else (this, last)
    stack = await own_stack(gateways=2, workers=2, release=old, drain_grace_s=1)
    before = {await version(session, gateway) for gateway in stack.gateways}
    turns, stops = 0, []

    def chat(number: int) -> ChatClient:
        return ChatClient(session, stack.gateways[number % 2].url)

    crowd = Crowd(session, stack, STREAMS, length=260, rate=12)
    await crowd.begin()
    began = time.monotonic()
    order = stack.workers + stack.gateways if first == "workers" else stack.gateways + stack.workers
    for program in order:
        await replace(program, new)
        # Both versions work side by side for a while: streams begin and go on with either.
        late = Crowd(session, stack, 5, length=40, rate=20)
        await late.begin(chunks=1)
        await late.end()
        assert late.ended_well()
        await chat(turns).ask(script(length=3), conversation_id="across")
        async with await chat(turns).send(script(length=500, rate=20)) as reader:
            await reader.until("chunk")
            await chat(turns + 1).cancel(reader.generation_id)
            await reader.all(20)
        stops.append(reader.generation_id)
        turns += 1
    took = time.monotonic() - began
    await crowd.end(60)
    assert crowd.ended_well()
    after = {await version(session, gateway) for gateway in stack.gateways}
    assert (before, after) == (({OLD}, {NEW}) if way == "forwards" else ({NEW}, {OLD}))
    messages = (await chat(0).conversation("across"))["messages"]
    assert [message["state"] for message in messages if message["role"] == "assistant"] == ["done"] * turns
    stopped = [await chat(0).status(generation_id) for generation_id in stops]
    assert [status["state"] for status in stopped] == ["cancelled"] * turns
    resets = sum(follower.resets for follower in crowd.followers)
    silences = sorted(
        max(b - a for a, b in zip(f.chunk_times, f.chunk_times[1:], strict=False)) for f in crowd.followers
    )
    print(
        f"{way}, {first} first, {STREAMS} streams: {took:.1f} s, longest silence p99 "
        f"{silences[int(len(silences) * 0.99) - 1]:.2f} s, {resets} resets"
    )
