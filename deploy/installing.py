"""
`python deploy/installing.py LOCK`: pip installs what LOCK names into this environment, under a bar.

For `deploy/setup.sh`, before anything else is installed: it needs Python alone. The bar tells how many
packages have come, how much that was, and for how long; without a terminal a line does, now and then.
"""

import re
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

_PIP = (
    sys.executable,
    "-m",
    "pip",
    "install",
    "--disable-pip-version-check",
    "--no-input",
    "--progress-bar",
    "off",
)
_EXACTLY = ("--progress-bar", "off", "--require-hashes", "--no-deps", "--only-binary", ":all:")
_NAMED = re.compile(r"^[A-Za-z0-9][\w.-]*(?:\[[^]]*\])?==", re.MULTILINE)
_SIZE = re.compile(r"(?:Downloading|Using cached) .*\(([\d.]+) (kB|MB|GB)\)")
_BYTES = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
#: How often a bar moves, and how often a line tells of it where there is no terminal.
_TICK_S = 0.2
_LINE_S = 10.0
_WIDTH = 30
#: Lines of pip's that a failure shows.
_TOLD = 12


class Progress:
    """Of a pip that installs *total* packages: `hear` each line that it says, then `line` is what to show."""

    def __init__(self, total: int, site: Path) -> None:
        self._total = total
        self._site = site
        self._before = len(self._there())
        self._seen = 0
        self._bytes = 0.0
        self._placing = False
        self._began = time.monotonic()

    def hear(self, line: str) -> None:
        """A line of pip's."""
        if line.startswith(("Collecting ", "Ignoring ", "Requirement already satisfied")):
            self._seen += 1
        elif found := _SIZE.search(line):
            self._bytes += float(found[1]) * _BYTES[found[2]]
        elif line.startswith("Installing collected packages"):
            self._placing = True

    @property
    def line(self) -> str:
        """A bar: its first three quarters are for what comes, the last is for putting it in place."""
        came = min(1.0, self._seen / self._total)
        placed = min(1.0, (len(self._there()) - self._before) / self._total) if self._placing else 0.0
        filled = round(_WIDTH * (0.75 * came + 0.25 * placed))
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        what = f"{min(self._seen, self._total)} of {self._total} packages"
        if self._placing:
            what = "putting them in place"
        bar = "#" * filled + "-" * (_WIDTH - filled)
        return f"[{bar}] {what}, {self._bytes / 1e6:.0f} MB, {minutes}:{seconds:02}"

    def _there(self) -> list[Path]:
        return list(self._site.glob("*.dist-info"))


def install(command: Sequence[str], progress: Progress, out: TextIO) -> int:
    """Run pip's *command* and show its *progress*; its exit status. What went wrong pip says itself."""
    said: list[str] = []
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )

    def listen() -> None:
        for line in process.stdout or ():
            said.append(line.rstrip())
            progress.hear(line.strip())

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    told = time.monotonic()
    try:
        while process.poll() is None:
            if out.isatty():
                out.write(f"\r{progress.line} ")
                out.flush()
            elif time.monotonic() - told >= _LINE_S:
                out.write(f"headrace: {progress.line}\n")
                out.flush()
                told = time.monotonic()
            time.sleep(_TICK_S)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()
    listening.join()
    if out.isatty():
        out.write("\r\033[K")
    if process.returncode != 0:
        out.write("\n".join(said[-_TOLD:]) + "\n")
    return process.returncode


def main() -> int:
    """What the command line says."""
    lock = Path(sys.argv[1])
    total = len(_NAMED.findall(lock.read_text()))
    progress = Progress(max(1, total), Path(sysconfig.get_paths()["purelib"]))
    return install([*_PIP, *_EXACTLY, "-r", str(lock)], progress, sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
