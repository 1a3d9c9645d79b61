"""`headrace up --cluster`: three primaries with a replica each, which come back as they were."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace import HeadraceClient
from headrace.events import Chunk, Ended
from tests.e2e.up import Up, kill
from worker.backends.script import expected_text

TEXT = expected_text({"length": 60})

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc"),
]


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[Up]:
    """Not yet started; after the test it has ended and left no process behind."""
    up = Up(tmp_path)
    yield up
    await up.end()


async def test_a_cluster(up: Up) -> None:
    """A node may die under a reply; after Ctrl-C and the next start the reply is still there."""
    up.start("--cluster", "3")
    [url] = await up.ready()
    brokers = up.children("valkey-server")
    assert len(brokers) == 6
    async with HeadraceClient(url) as client:
        said, ids = [], []
        async for event in (reply := client.start("hi")):
            ids.append(event)
            if isinstance(event, Chunk):
                said.append(event.text)
                if len(said) == 3:
                    await asyncio.to_thread(kill, brokers[0])
        assert isinstance(ids[-1], Ended)
        assert "".join(said) == TEXT
    await up.said_eventually("starting it again")
    up.signal(signal.SIGINT)
    assert await up.ended() == 0
    up.start("--cluster", "3")
    [url] = await up.ready()
    async with HeadraceClient(url) as client:
        events = [event async for event in client.resume(reply.generation_id or "")]
    assert "".join(event.text for event in events if isinstance(event, Chunk)) == TEXT


async def test_data_of_one_broker(up: Up) -> None:
    """That it is in the way is said, and nothing is started."""
    (up.folder / "data" / "appendonlydir").mkdir(parents=True)
    up.start("--cluster", "3")
    assert await up.ended() == 1
    assert "holds one broker's data" in up.said
    assert not up.children()
