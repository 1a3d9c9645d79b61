"""
What tests need of other people's programs, as Debian has them: `python -m tests.kit.debian` installs it.

Where it cannot be had, the tests that need it are skipped.
"""

import shutil
import subprocess
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("libfaketime", "redis-tools")
_FAKETIME = ("usr/lib/*/faketime/libfaketime.so.1", "usr/local/lib/faketime/libfaketime.so.1")


def faketime() -> Path | None:
    """The library that gives a process another wall clock."""
    return next((found for pattern in _FAKETIME for found in Path("/").glob(pattern)), None)


def redis() -> Path | None:
    """Redis' one binary; which of its programs it is, the name says that it is started under."""
    # `redis-server` itself is in a package that would also start a server of the system's own.
    found = shutil.which("redis-check-rdb")
    return Path(found).resolve() if found else None


def install() -> None:
    """Have all of it, if that can be."""
    if not (faketime() and redis()) and shutil.which("apt-get"):
        subprocess.run(["sh", "deploy/package.sh", *_PACKAGES], cwd=_ROOT, check=False)


if __name__ == "__main__":
    install()
