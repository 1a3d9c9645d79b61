"""The folder in which one `headrace up` keeps its log, its socket and its data, and nobody else does."""

import fcntl
import os
from pathlib import Path
from typing import Self


class DataDirectoryInUse(Exception):
    """Another `headrace up` works in this folder."""


class DataDirectory:
    """
    A folder that only its owner may read, locked while this is entered.

    The lock belongs to the open file, not to a process: a child that inherits `lock` holds it too, so
    the folder stays locked for as long as anything may still be writing there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.lock = -1

    @property
    def logs(self) -> Path:
        """Where those children write whose output nobody wants on the terminal."""
        return self.path / "logs"

    def __enter__(self) -> Self:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(self.lock, 32).decode(errors="replace").strip()
            os.close(self.lock)
            raise DataDirectoryInUse(
                f"{self.path} is in use by another `headrace up`{f' (process {owner})' if owner else ''}: "
                "stop that one, or choose another folder with --data"
            ) from error
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, f"{os.getpid()}\n".encode(), 0)
        self.logs.mkdir(exist_ok=True)
        for log in self.logs.glob("*.log"):
            log.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.lock)
