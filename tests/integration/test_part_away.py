"""P17: a primary of three that hangs pauses what is its own, nothing else, and is named."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import ClientSession, ClientTimeout
from rich.console import Console

from deploy.doctor import broker as doctor
from deploy.top import top
from shared.cells import Cell
from tests.kit.chat_client import ChatClient, script
from tests.kit.cluster import EmbeddedCluster
from tests.kit.eventually import eventually
from tests.kit.local import Local

CELLS = 8


class Away(NamedTuple):
    """A system of which one primary hangs."""

    chat: ChatClient
    local: Local
    #: What it is called.
    node: str
    #: A conversation of nobody else's that is on another primary.
    elsewhere: str


@pytest.fixture(scope="module")
def nodes() -> Iterator[EmbeddedCluster]:
    """Three primaries; nobody takes over from one."""
    nodes = EmbeddedCluster(cells=CELLS, replicas=False)
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.remove()


@pytest.fixture
async def away(nodes: EmbeddedCluster, tmp_path: Path, session: ClientSession) -> AsyncIterator[Away]:
    """
    The one that has the first cell, from when a first message was answered until the test is over.
    """
    local = Local(nodes, 0, tmp_path)
    chat = ChatClient(session, await local.start(metrics_port=0))
    await chat.ask(script(length=2), conversation_id="before")
    homes = nodes.homes()
    [owner] = {key.decode().rpartition(":")[2] for key in local.redis.keys("hr:convs:*")}

    def port(name: str) -> int:
        cell: Cell = nodes.cells.of_conversation(owner, name)
        return homes[cell]

    victim = homes[nodes.cells.home]
    elsewhere = next(name for name in (f"c{i}" for i in range(100)) if port(name) != victim)
    nodes.send(victim, signal.SIGSTOP)
    try:
        yield Away(chat, local, f"127.0.0.1:{victim}", elsewhere)
    finally:
        nodes.send(victim, signal.SIGCONT)
        await asyncio.to_thread(nodes.whole)
        await local.close()


async def test_a_new_conversation_elsewhere(away: Away) -> None:
    """It waits for nobody, though its owner's conversations are counted over all cells."""
    async with asyncio.timeout(2):
        async with await away.chat.send(script(length=2), conversation_id=away.elsewhere) as reader:
            await reader.all()
    assert reader.end.type == "end"


async def test_it_is_named(away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `/readyz`, which is ready all the same though asked all the time, by `/metrics`, doctor and top."""
    monkeypatch.setattr("shared.subscriber._PING_S", 0.4)

    async def seen() -> bool:
        ready = await away.chat.call("GET", "/readyz")
        assert ready.status == 200
        return bool(ready.body["away"] == [away.node])

    await eventually(seen, "its subscriber misses it", 10)
    async with asyncio.timeout(3.5):
        page = (await away.chat.call("GET", "/metrics")).body
    answers = dict(
        line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("headrace_broker_answers{")
    )
    assert answers[f'headrace_broker_answers{{primary="{away.node}"}}'] == "0.0"
    assert sorted(answers.values()) == ["0.0", "1.0", "1.0"]
    out = StringIO()
    console = Console(file=out, width=140)
    # Doctor comes as one who starts just now, and must find out how the data is laid out.
    monkeypatch.setattr("shared.broker.COMMAND_TIMEOUT_S", 1.0)
    monkeypatch.setattr("shared.layout._ANSWER_WITHIN_S", 0.3)
    # How soon a scrape ends that a primary holds up is seen above.
    monkeypatch.setattr("deploy.top.samples._TIMEOUT", ClientTimeout(total=10))
    _, found = await asyncio.gather(
        top.run([away.chat.url], [], 0.1, console, once=True), doctor.look(away.local.settings())
    )
    [line] = [line for line in out.getvalue().splitlines() if "down" in line]
    assert line.startswith(away.node)
    [wrong] = [finding for finding in found if finding.level == "wrong"]
    assert (wrong.what, wrong.says) == (f"broker {away.node}", "does not answer (TimeoutError)")
