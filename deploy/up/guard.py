"""Children that end with us, also when we are killed: their guard is a process of its own."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

from deploy.up.leftovers import Register


class Leash:
    """The process that ends our children if we are killed; see `deploy/up/leash.py`."""

    def __init__(self, register: Register | None = None) -> None:
        """*register* keeps what it holds for who comes after us."""
        self._register = register

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            # Isolated and without site: it needs nothing of ours, and starts in a blink.
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("leash.py"))],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait()

    def hold(self, pid: int) -> None:
        """End *pid*'s group when we vanish."""
        if self._register is not None:
            self._register.add(pid)
        self._tell(f"+{pid}\n")

    def let_go(self, pid: int) -> None:
        """*pid* has ended; its number may soon be somebody else's."""
        if self._register is not None:
            self._register.remove(pid)
        self._tell(f"-{pid}\n")

    def _tell(self, line: str) -> None:
        if self._process.stdin is None:
            return
        # A leash that was killed guards nothing more; that is no reason to end what works.
        with suppress(BrokenPipeError):
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
