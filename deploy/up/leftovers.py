"""
The processes of one data directory, by more than their numbers, so that the next `headrace up` may end what
is its own: a number alone may be somebody else's by then.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_GRACE_S = 10.0
_LOOK_S = 0.05


def identity(pid: int) -> str | None:
    """Which process *pid* is: when it was started, and what runs. None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if stat[0] in "ZX":
            return None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {stat[19]} {Path(f'/proc/{pid}/exe').readlink()}"
    except OSError:
        pass
    if Path("/proc/self/stat").exists():
        return None
    asked = subprocess.run(
        ["/bin/ps", "-o", "lstart=,comm=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or None


class Register:
    """What runs, in a file that outlives us."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._running: dict[int, str] = {}

    def add(self, pid: int) -> None:
        """*pid* leads a process group of ours."""
        if (known := identity(pid)) is not None:
            self._running[pid] = known
            self._write()

    def remove(self, pid: int) -> None:
        """It has ended."""
        if self._running.pop(pid, None) is not None:
            self._write()

    def left(self) -> list[int]:
        """Those of an earlier `headrace up` that still run."""
        try:
            noted = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return []
        return [int(pid) for pid, known in noted.items() if known == identity(int(pid))]

    def end_left(self, say: Callable[[str], None]) -> None:
        """Ask them to stop, and soon make them."""
        left = self.left()
        if not left:
            return
        say(f"ending what an earlier `headrace up` left behind: {', '.join(map(str, left))}")
        for signum in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.left():
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signum)
            deadline = time.monotonic() + _GRACE_S
            while self.left() and time.monotonic() < deadline:
                time.sleep(_LOOK_S)

    def _write(self) -> None:
        partial = self._path.with_suffix(".part")
        partial.write_text(json.dumps(self._running))
        partial.replace(self._path)
