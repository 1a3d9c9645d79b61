"""`headrace up` as a user starts it, and the processes it brings with it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from deploy.model.catalogue import GEMMA
from deploy.model.fetch import cache_dir
from tests.kit.eventually import eventually
from tests.kit.program import FEW_CERTIFICATES, environment

_READY = re.compile(r"^Headrace is ready at (.*)\n", re.MULTILINE)
_MODELS = """
default = "slow"

[models.slow]
backend = "scripted"
parameters = { rate = 40, length = 60 }

[models.fast]
backend = "scripted"
parameters = { rate = 0, length = 60 }
"""
#: Options that have it serve the small one of its own models, which is there before the tests begin.
EMBEDDED = ("--models", "", "--model-file", str(cache_dir() / GEMMA.file))


class Up:
    """One `headrace up` with scripted models, on ports and in a folder of its own. *command* is ours."""

    def __init__(self, folder: Path, command: Sequence[str] = (sys.executable, "-m", "deploy")) -> None:
        self.folder = folder
        self._command = command
        self._out = folder / "out"
        self._err = folder / "err"
        models = folder / "scripted.toml"
        models.write_text(_MODELS)
        self._defaults = {"--port": "0", "--models": str(models), "--data": str(folder / "data")}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, **settings: object) -> None:
        """With these options and their values instead of the defaults; an empty value leaves one out."""
        given = list(zip(options[::2], options[1::2], strict=True))
        named = {name for name, _ in given}
        defaults = [option for option in self._defaults.items() if option[0] not in named]
        chosen = [part for option in (*defaults, *given) if option[1] for part in option]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [*self._command, "up", "--no-page", *chosen],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                # What makes sound takes a second to start.
                env=environment(**{"speech": "off", **settings}) | FEW_CERTIFICATES,
                cwd=self.folder,
                start_new_session=True,
            )

    async def ready(self, timeout_s: float = 30) -> list[str]:
        """The gateways' addresses, once all is ready."""
        await eventually(
            lambda: _READY.search(self.said) is not None or not self.is_alive, "it is ready", timeout_s
        )
        found = _READY.search(self.said)
        assert found is not None, self.said
        return found[1].split(" and ")

    async def ended(self, timeout_s: float = 20) -> int:
        """Its exit status, once it has ended."""
        await eventually(lambda: not self.is_alive, lambda: f"it ends: {self.said}", timeout_s)
        assert self._process is not None
        return self._process.returncode

    def signal(self, signum: signal.Signals) -> None:
        """As Ctrl-C, a shutdown or a kill would reach it: it alone, not its children."""
        assert self._process is not None
        self._process.send_signal(signum)

    async def said_eventually(self, line: str) -> None:
        """Returns once *line* has been said."""
        await eventually(lambda: line in self.said, lambda: f"{line!r} is said: {self.said}", 20)

    def children(self, word: str = "") -> list[int]:
        """Processes it has brought with it whose command line has *word* in it: all work in its folder."""
        found = []
        for process in Path("/proc").iterdir():
            # A process that ends just now has neither.
            with suppress(OSError):
                ours = (process / "cwd").readlink().is_relative_to(self.folder)
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if ours and word in command and not self._is_it(process):
                    found.append(int(process.name))
        return found

    def _is_it(self, process: Path) -> bool:
        return self._process is not None and process.name == str(self._process.pid)

    async def alone(self) -> None:
        """Returns once none of its processes is left."""
        await eventually(lambda: not self.children(), lambda: f"no child is left: {self.children()}", 20)

    async def end(self) -> None:
        """End it, whatever state it is in; nothing of it may be left."""
        if self.is_alive:
            self.signal(signal.SIGTERM)
            await self.ended()
        if sys.platform == "linux":
            await self.alone()

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def said(self) -> str:
        """What a terminal would show."""
        return self._out.read_text() + self._err.read_text()


def kill(pid: int) -> None:
    """`kill -9`."""
    os.kill(pid, signal.SIGKILL)
