"""
Processes that the bench starts: each is up when its port answers, and gone, with all that it
started itself, when its block ends.
"""
# Only `make bench` installs what is imported here, but the code is checked everywhere.
# mypy: disable-error-code="import-not-found,import-untyped"

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

_ROOT = Path(__file__).parents[2]
_READY_S = 90.0
_GRACE_S = 25.0
_LOG_LINES_SHOWN = 15


class Failed(Exception):
    """A process did not come up, or did not stay up."""


class Child:
    """A running process and its descendants."""

    def __init__(self, popen: "subprocess.Popen[bytes]", role_of: Callable[[Sequence[str]], str]) -> None:
        self._root = psutil.Process(popen.pid)
        self._role_of = role_of

    def processes(self) -> dict[str, list[psutil.Process]]:
        """All that run, by role."""
        found: dict[str, list[psutil.Process]] = {}
        for process in [self._root, *self._root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                found.setdefault(self._role_of(process.cmdline()), []).append(process)
        return found

    def cpu_s(self) -> dict[str, float]:
        """User and system time so far, by role."""
        spent: dict[str, float] = {}
        for role, processes in self.processes().items():
            times = [process.cpu_times() for process in processes]
            spent[role] = sum(t.user + t.system for t in times)
        return spent

    def rss_bytes(self) -> dict[str, int]:
        """Resident memory, by role."""
        return {
            role: sum(process.memory_info().rss for process in processes)
            for role, processes in self.processes().items()
        }


@asynccontextmanager
async def running(
    command: Sequence[str],
    ports: Sequence[int],
    role_of: Callable[[Sequence[str]], str],
    **environment: str,
) -> AsyncIterator[Child]:
    """
    Start *command*, with *environment* beside ours, and wait until it listens on *ports*. Raises `Failed`
    with its last words.
    """
    with tempfile.TemporaryFile() as log:
        # A session of its own: Ctrl-C reaches the bench alone, which then ends things in order.
        popen = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs while it starts
            command,
            cwd=_ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            try:
                await _listening(popen, ports)
            except Failed as error:
                log.seek(0)
                words = log.read().decode(errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
                raise Failed("\n".join([f"{error}: {' '.join(command)}", *words])) from None
            yield Child(popen, role_of)
        finally:
            _end(popen)


async def _listening(popen: "subprocess.Popen[bytes]", ports: Sequence[int]) -> None:
    until = time.monotonic() + _READY_S
    for port in ports:
        while True:
            if popen.poll() is not None:
                raise Failed(f"ended at once with status {popen.returncode}")
            if time.monotonic() > until:
                raise Failed(f"did not listen on port {port} within {_READY_S:.0f} s")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            break


def _end(popen: "subprocess.Popen[bytes]") -> None:
    # Known beforehand: once their parent is gone, nothing leads to them any more.
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(popen.pid).children(recursive=True)
    with contextlib.suppress(ProcessLookupError):
        os.kill(popen.pid, signal.SIGTERM)
    try:
        popen.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait()
    _, left = psutil.wait_procs(family, timeout=1)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def free_port(following: int = 0) -> int:
    """A port that is free just now, and so are that many *following* it."""
    while True:
        with contextlib.ExitStack() as held:
            first = held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            try:
                for port in range(first + 1, first + 1 + following):
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return int(first)


def python(module: str, *options: str) -> list[str]:
    """The command that runs *module* with this interpreter."""
    return [sys.executable, "-m", module, *options]


def raise_file_limit() -> int:
    """Allow this process, and all that it starts, as many open files as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS says "unlimited" and then refuses more than it has.
    for wanted in (hard, 65_536, 20_000, 10_240):
        if wanted == resource.RLIM_INFINITY or wanted <= soft:
            continue
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return soft
