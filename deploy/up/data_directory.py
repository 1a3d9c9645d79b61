"""The folder in which one `headrace up` keeps its log, its socket and its data, and nobody else does."""

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from deploy.up.leftovers import Register, identity


class DataDirectoryUnusable(Exception):
    """Another `headrace up` works in this folder, or nobody may write there."""


class DataDirectory:
    """
    A folder that only its owner may read, locked while this is entered.

    The lock belongs to the open file, not to a process: a child that inherits `lock` holds it too, so
    the folder stays locked for as long as anything may still be writing there.
    """

    def __init__(self, path: Path, say: Callable[[str], None] = print) -> None:
        self.path = path.expanduser().resolve()
        self.lock = -1
        #: What runs for this folder.
        self.register = Register(self.path / "processes")
        self._say = say
        self._locked = False

    @property
    def logs(self) -> Path:
        """Where those children write whose output nobody wants on the terminal."""
        return self.path / "logs"

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unwritable(error) from error
        if not self._is_locked() and self._owner_is_gone():
            # It was killed together with what would have ended its children.
            self.register.end_left(self._say)
            self._is_locked()
        if not self._locked:
            refusal = self._refusal()
            os.close(self.lock)
            raise DataDirectoryUnusable(refusal)
        self.register.end_left(self._say)
        try:
            os.ftruncate(self.lock, 0)
            os.pwrite(self.lock, f"{os.getpid()} {identity(os.getpid())}\n".encode(), 0)
            self.logs.mkdir(exist_ok=True)
            for log in self.logs.glob("*.log"):
                log.unlink()
        except OSError as error:
            os.close(self.lock)
            raise self._unwritable(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.lock)

    def _is_locked(self) -> bool:
        with suppress(BlockingIOError):
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._locked = True
        return self._locked

    def _owner(self) -> tuple[str, str]:
        pid, _, known = os.pread(self.lock, 4096, 0).decode(errors="replace").strip().partition(" ")
        return pid, known

    def _owner_is_gone(self) -> bool:
        pid, known = self._owner()
        running = identity(int(pid)) if pid.isdecimal() else None
        return running is None or (bool(known) and running != known)

    def _unwritable(self, error: OSError) -> DataDirectoryUnusable:
        if error.errno == errno.ENOSPC:
            what = "make room, or choose another folder with --data"
        else:
            what = "choose another folder with --data"
        return DataDirectoryUnusable(f"{self.path} cannot be written to ({error.strerror}): {what}")

    def _refusal(self) -> str:
        pid, _ = self._owner()
        if not self._owner_is_gone():
            return (
                f"{self.path} is in use by another `headrace up`{f' (process {pid})' if pid else ''}: "
                "stop that one, or choose another folder with --data"
            )
        return (
            f"{self.path} is held by a process that a `headrace up` which is gone has left behind: "
            f"end what `fuser {self.path / 'lock'}` names, or choose another folder with --data"
        )
