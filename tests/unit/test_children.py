"""The processes of a `headrace up`: started again when they die, and gone with whatever they have started."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from deploy.up import child, leftovers
from deploy.up.child import Child, StartFailed
from deploy.up.data_directory import DataDirectory
from deploy.up.given_redis import reach
from deploy.up.guard import Leash
from deploy.up.leftovers import Register, identity
from deploy.up.options import CannotStart, Options
from deploy.up.stack import Stack
from shared.settings import Settings
from tests.kit.eventually import eventually

#: Whoever is asked to stop goes, and leaves one behind that does not.
_STUBBORN = """sh -c 'trap "" TERM; echo $$ >pid.part; mv pid.part pid; while :; do sleep 0.1; done' & wait"""

Make = Callable[..., Child]


async def _ready() -> bool:
    return True


@pytest.fixture
def said() -> list[str]:
    """What whoever has started it is told."""
    return []


@pytest.fixture
def make(said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Make]:
    """Makes children of a shell's command, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    with Leash() as leash:

        def made(command: str, ready: Callable[[], Awaitable[bool]] = _ready, **options: Any) -> Child:
            chosen: dict[str, Any] = {"leash": leash, "say": said.append, "grace_s": 5.0} | options
            return Child("it", ["sh", "-c", command], ready=ready, **chosen)

        yield made


def stubborn(folder: Path) -> int:
    """The number of the one that does not go; 0 where it is not there yet."""
    return int((folder / "pid").read_text()) if (folder / "pid").exists() else 0


async def test_what_cannot_start_says_why(make: Make, tmp_path: Path) -> None:
    """How it has ended, and the last that it said."""

    async def never() -> bool:
        return False

    log = tmp_path / "logs" / "it.log"
    with pytest.raises(StartFailed, match=r"^it ended with status 3 before it was ready: why \(its log is "):
        await make("echo what; echo why; echo; exit 3", never, log=log).start()


@pytest.mark.parametrize(
    ("steady_s", "waits"),
    [(60.0, ["", " in 0.1 s", " in 0.2 s", " in 0.2 s"]), (0.0, [""] * 4)],
)
async def test_how_soon_it_is_started_again(
    make: Make, said: list[str], monkeypatch: pytest.MonkeyPatch, steady_s: float, waits: list[str]
) -> None:
    """At once, then later each time up to a bound; and at once when it had lived well."""
    for name, value in (("_BACKOFF_S", 0.1), ("_MAX_BACKOFF_S", 0.2), ("_STEADY_S", steady_s)):
        monkeypatch.setattr(child, name, value)
    it = make("exit 1")
    await it.start()
    watching = asyncio.create_task(it.watch())
    await eventually(lambda: len(said) >= 4, lambda: said)
    await it.stop()
    await watching
    assert said[:4] == [f"it ended with status 1; starting it again{wait}" for wait in waits]


@pytest.mark.parametrize("leader_goes", [True, False])
async def test_nothing_is_left(make: Make, said: list[str], tmp_path: Path, leader_goes: bool) -> None:
    """Neither of what it has started, nor where it does not stop by itself, which is said."""

    async def ready() -> bool:
        return stubborn(tmp_path) > 0

    it = make(_STUBBORN, ready) if leader_goes else make(f"trap '' TERM; {_STUBBORN}", ready, grace_s=0.2)
    await it.start()
    async with asyncio.timeout(10):
        await it.stop()
    await eventually(lambda: identity(stubborn(tmp_path)) is None, "it is gone")
    assert said == ([] if leader_goes else ["it did not stop within 0 s and was killed"])


@contextmanager
def started(command: str) -> Iterator[tuple[int, IO[str]]]:
    """The number of one with a group of its own, and its output, which ends with the last of them."""
    with subprocess.Popen(
        ["sh", "-c", command], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.pid, process.stdout
        finally:
            os.killpg(process.pid, signal.SIGKILL)


_SAYS_SO = _STUBBORN.replace("echo $$ >pid.part; mv pid.part pid", "echo there")


def test_when_all_are_killed() -> None:
    """What was held is asked to stop, and then made to."""
    with started(_SAYS_SO) as (held, says):
        says.readline()
        guard = "from deploy.up import leash; leash._GRACE_S = 0.2; leash.main()"
        subprocess.run([sys.executable, "-c", guard], input=f"+{held}\n", text=True, check=True)
        says.read()


def test_what_another_has_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is ended; who only has the number of one, or has ended already, is neither ended nor waited for."""
    monkeypatch.setattr(leftovers, "_GRACE_S", 0.2)
    said, known = list[str](), tmp_path / "processes"
    register, stays = Register(known), "trap '' TERM; echo there; while :; do sleep 0.1; done"
    with started(stays) as (ended, _), started(stays) as (other, _), started(stays) as (held, says):
        says.readline()
        for pid in (ended, other, held, os.getpid()):
            register.add(pid)
        register.remove(os.getpid())
        known.write_text(json.dumps(json.loads(known.read_text()) | {str(other): "another"}))
        os.kill(ended, signal.SIGKILL)
        os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
        assert Register(known).left() == [held]
        Register(known).end_left(said.append)
        assert Register(known).left() == []
        assert len(said) == 1
        assert identity(other) is not None


async def test_all_stop_in_order(tmp_path: Path) -> None:
    """Gateways and workers while there still is a broker; a folder made for its socket goes, too."""
    order = list[str]()

    class Stopping:
        def __init__(self, name: str) -> None:
            self._name = name

        async def stop(self) -> None:
            await asyncio.sleep(0)
            order.append(self._name)

    options = Options(host="127.0.0.1", port=0)
    data: Any = DataDirectory(tmp_path / "data")
    nothing: Any = None
    stack: Any = Stack(options, Settings(), None, data, nothing, nothing, order.append)
    stack._broker, stack._model, stack._faces = ([Stopping(name)] for name in ("broker", "model", "face"))
    (tmp_path / "made").mkdir()
    stack._socket = tmp_path / "made" / "valkey.sock"
    stack._socket.touch()
    await stack.stop()
    assert order == ["face", "model", "broker"]
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:9", "memcached://127.0.0.1"])
async def test_a_redis_that_is_not_there(url: str) -> None:
    """It is said before anything is started."""
    with pytest.raises(CannotStart, match="--redis"):
        await reach(url)
