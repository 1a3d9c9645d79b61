"""
One child process of `headrace up`: started, watched, started again when it dies, and stopped.

A child leads a process group of its own, so that Ctrl-C in the terminal reaches `headrace up` alone,
which then stops everything in order.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from deploy.up.guard import Leash

#: A child that dies again and again is started at once, then after 0.2 s, 0.4 s, … 5 s.
_BACKOFF_S = 0.2
_MAX_BACKOFF_S = 5.0
#: Having lived this long, it starts over with the first.
_STEADY_S = 10.0
_READY_TIMEOUT_S = 60.0
_PROBE_S = 0.05

Say = Callable[[str], None]


class StartFailed(Exception):
    """A child ended, or kept silent, before it was ready."""


class Child:
    """
    A process that is to be there. `start` returns when it is ready, then `watch` keeps it alive.

    *log* is the file its output goes to; without one it goes to our standard error. *ready* tells
    whether it can do its work. *keep* are files it inherits.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        leash: Leash,
        say: Say,
        ready: Callable[[], Awaitable[bool]],
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
        grace_s: float = 10.0,
        keep: Sequence[int] = (),
    ) -> None:
        self.name = name
        self._command = command
        self._leash = leash
        self._say = say
        self._ready = ready
        self._env = {**os.environ, **(env or {})}
        self._log = log
        self._grace_s = grace_s
        self._keep = keep
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        #: Held while a process is being started, lest `stop` overlook it.
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start it and wait until it is ready. Raises `StartFailed`."""
        process = await self._spawn()
        ended = asyncio.create_task(process.wait())
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                while not await self._ready():
                    await asyncio.wait({ended}, timeout=_PROBE_S)
                    if ended.done():
                        self._leash.let_go(process.pid)
                        raise StartFailed(
                            f"{self.name} {how(ended.result())} before it was ready{self._hint()}"
                        )
        except TimeoutError as error:
            raise StartFailed(
                f"{self.name} was not ready after {_READY_TIMEOUT_S:.0f} s{self._hint()}"
            ) from error
        finally:
            ended.cancel()

    def refuse_to_have_ended(self) -> None:
        """
        Raises `StartFailed` if it has ended since it was ready.

        Then it may never have been: somebody else may have taken its port, and answered in its place.
        """
        if self._process is not None and self._process.returncode is not None:
            raise StartFailed(f"{self.name} {how(self._process.returncode)} at once{self._hint()}")

    async def watch(self) -> None:
        """Start it again whenever it dies, until `stop`."""
        delay_s = 0.0
        loop = asyncio.get_running_loop()
        while self._process is not None and not self._stopping.is_set():
            began = loop.time()
            code = await self._process.wait()
            self._leash.let_go(self._process.pid)
            if self._stopping.is_set():
                return
            if loop.time() - began >= _STEADY_S:
                delay_s = 0.0
            when = f" in {delay_s:.1f} s" if delay_s else ""
            self._say(f"{self.name} {how(code)}; starting it again{when}")
            if await self._stops_within(delay_s):
                return
            delay_s = min(max(_BACKOFF_S, delay_s * 2), _MAX_BACKOFF_S)
            async with self._starting:
                if not self._stopping.is_set():
                    await self._spawn()

    async def stop(self) -> None:
        """Ask it to stop, wait for its grace, then make it."""
        self._stopping.set()
        async with self._starting:
            process = self._process
        if process is None or process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._grace_s):
                await process.wait()
        except TimeoutError:
            self._say(f"{self.name} did not stop within {self._grace_s:.0f} s and was killed")
        finally:
            self.kill()
        await process.wait()
        self._leash.let_go(process.pid)

    def kill(self) -> None:
        """End it, and whatever it has started, at once."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    async def _spawn(self) -> asyncio.subprocess.Process:
        output: IO[bytes] | None = None
        if self._log is not None:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            output = self._log.open("ab")
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=subprocess.DEVNULL,
                stdout=output or sys.stderr.fileno(),
                stderr=output or sys.stderr.fileno(),
                env=self._env,
                start_new_session=True,
                pass_fds=self._keep,
            )
        except OSError as error:
            raise StartFailed(f"{self.name} cannot be started: {error}") from error
        finally:
            if output is not None:
                output.close()
        self._leash.hold(self._process.pid)
        return self._process

    async def _stops_within(self, delay_s: float) -> bool:
        try:
            async with asyncio.timeout(delay_s):
                return await self._stopping.wait()
        except TimeoutError:
            return False

    def _signal(self, signum: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signum)

    def _hint(self) -> str:
        if self._log is None:
            return ""
        lines = self._log.read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f": {last}" * bool(last) + f" (its log is {self._log})"


def how(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with status {code}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"
