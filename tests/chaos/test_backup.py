"""
A backup is taken while replies are written, and restored into a fresh broker, by the scripts shipped.
"""

import asyncio
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.conftest import StartStack
from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import ChatClient, script
from worker.backends.script import expected_text

_FOLDER = Path(__file__).parents[2] / "deploy" / "backup"
_LENGTH = 120
_WHOLE = expected_text({"length": _LENGTH})
SLOW = script(length=_LENGTH, rate=40)

pytestmark = pytest.mark.skipif(
    not (shutil.which("redis-cli") or shutil.which("valkey-cli")), reason="needs redis-tools"
)


def ship(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run one of the scripts."""
    command = ["sh", str(_FOLDER / f"{name}.sh"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


async def back_up(broker: EmbeddedBroker, file: Path) -> None:
    """Take one."""
    done = await asyncio.to_thread(ship, "backup", file, "-s", broker.socket)
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o077 == 0, "it is nobody else's"


@pytest.fixture
def own_broker() -> Iterator[EmbeddedBroker]:
    """One that waits for no further replica before it gives a snapshot."""
    broker = EmbeddedBroker(None, None, "--repl-diskless-sync-delay", "0")
    broker.start()
    yield broker
    broker.remove()


@pytest.fixture
def fresh() -> Iterator[EmbeddedBroker]:
    """A broker that has never run."""
    broker = EmbeddedBroker()
    yield broker
    broker.remove()


@pytest.mark.long
async def test_another_machine(
    own_broker: EmbeddedBroker,
    fresh: EmbeddedBroker,
    own_stack: StartStack,
    session: ClientSession,
    tmp_path: Path,
) -> None:
    """
    All of the old system is gone. From the backup new gateways and workers have every conversation as it
    was; a reply that was under way is written to its end, and its reader goes on, once and in order.
    """
    old = await own_stack(broker=own_broker, lease_s=1)
    chat = ChatClient(session, old.gateways[0].url)
    asked = [await chat.ask(script(length=5 + n), conversation_id=f"c{n}") for n in range(3)]
    before = [await chat.conversation(f"c{n}") for n in range(3)]
    async with await chat.send(SLOW, conversation_id="slow") as reader:
        await reader.until("chunk", 5)
        await back_up(own_broker, tmp_path / "backup.rdb")
        after = await chat.ask(conversation_id="after")
        for program in (*old.gateways, *old.workers):
            program.kill()
    own_broker.stop(signal.SIGKILL)
    own_broker.start()  # for the fixture's own look at what has become of it
    own_broker.client(2).flushdb()

    assert ship("restore", tmp_path / "backup.rdb", fresh.data).returncode == 0
    fresh.start()
    client: Any = fresh.client()
    client.execute_command("SWAPDB", 2, 3)  # where the second system of a test looks
    new = await own_stack(broker=fresh, lease_s=1)
    chat = ChatClient(session, new.gateways[0].url)
    assert [await chat.conversation(f"c{n}") for n in range(3)] == before
    for whole in asked:
        async with await chat.resume(whole.generation_id) as again:
            await again.all()
            assert again.text == whole.text
    async with await chat.resume(reader.generation_id, reader.ids[0]) as rest:
        await rest.all()
    assert rest.end.data["metadata"]["finish_reason"] == "stop"
    assert [message["content"] for message in (await chat.conversation("slow"))["messages"]][1] == _WHOLE
    assert (await chat.call("GET", f"/api/chat/{after.generation_id}")).status == 404


async def test_under_a_running_system(
    own_broker: EmbeddedBroker, own_stack: StartStack, session: ClientSession, tmp_path: Path
) -> None:
    """
    The broker and its disk are lost, all else runs on: what workers hold goes on in the restored one, also
    what began after the backup; no reader misses or sees anything twice.
    """
    stack = await own_stack(broker=own_broker, lease_s=1)
    chat = ChatClient(session, stack.gateways[0].url)
    await chat.ask(script(length=5), conversation_id="kept")
    kept = await chat.conversation("kept")
    async with await chat.send(SLOW) as one:
        await one.until("chunk")
        await back_up(own_broker, tmp_path / "backup.rdb")
        async with await chat.send(SLOW) as two:
            await two.until("chunk")
            own_broker.stop(signal.SIGKILL)
            shutil.rmtree(own_broker.data / "appendonlydir")
            assert ship("restore", tmp_path / "backup.rdb", own_broker.data).returncode == 0
            own_broker.start()
            await asyncio.gather(one.all(), two.all())
    for reader in (one, two):
        assert reader.end.data["metadata"]["finish_reason"] == "stop"
        assert reader.text == _WHOLE
    assert await chat.conversation("kept") == kept


def test_what_is_refused(own_broker: EmbeddedBroker, fresh: EmbeddedBroker, tmp_path: Path) -> None:
    """What is no snapshot, a place that holds data already, a broker that is not there; nothing is left."""
    file = tmp_path / "backup.rdb"
    assert ship("backup", file, "-s", tmp_path / "nobody").returncode != 0
    assert ship("backup", file, "-s", own_broker.socket).returncode == 0
    (tmp_path / "half.rdb").write_bytes(b"MOVED")
    (old := tmp_path / "old").mkdir()
    (old / "dump.rdb").write_bytes(b"REDIS0")
    for wrong, data in (
        (file, own_broker.data),
        (tmp_path / "half.rdb", fresh.data),
        (file, tmp_path / "none"),
        (file, old),
    ):
        refused = ship("restore", wrong, data)
        assert (refused.returncode, refused.stderr[:9]) == (1, "restore: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.rdb", "half.rdb", "old"]
    assert not (fresh.data / "appendonlydir").exists()
    (tmp_path / "cut.rdb").write_bytes(file.read_bytes()[:-9])
    assert ship("restore", tmp_path / "cut.rdb", fresh.data).returncode == 0
    with pytest.raises(RuntimeError):
        fresh.start()
