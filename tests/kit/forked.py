"""
Python programs that start at once: forks of one process that has imported what they import.

Otherwise each gateway and worker of the tests imports for most of a second of a processor. The start that
users have is seen in `e2e`, where each program begins with an interpreter of its own.
"""

import multiprocessing
import os
import random
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["gateway.process", "worker.process", "tests.kit.upstream_frames", "uvloop"])


def can_fork(env: Mapping[str, str]) -> bool:
    """Whether a program with that environment may be a fork: what loads libraries first is none."""
    return sys.platform == "linux" and "LD_PRELOAD" not in env


class Forked:
    """As a `Popen` of `python -m MODULE OPTIONS` in a session of its own, what it says appended to *log*."""

    def __init__(self, module: str, options: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self._process = _CONTEXT.Process(
            target=_run, args=(module, list(options), dict(env), str(log)), daemon=True
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """As `poll`."""
        return self.poll()

    def poll(self) -> int | None:
        """Its exit status, or the signal that ended it, below zero; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Until it has ended. Raises `subprocess.TimeoutExpired`."""
        self._process.join(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, signum: int) -> None:
        """If it still runs."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def _run(module: str, options: list[str], env: dict[str, str], log: str) -> None:
    os.setsid()
    said = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [module, *options]
    # Or all forks would jitter alike.
    random.seed()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
