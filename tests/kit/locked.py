"""Python packages as published, in an environment of their own: what a folder's `requirements.lock` names."""

import hashlib
import subprocess
import sys
from pathlib import Path

from deploy.page import node

_INSTALL_TIMEOUT_S = 600
#: A tenth of pip's time, but it does not read where pip is told to find packages.
_UV = ("-m", "uv", "pip", "install", "--quiet")
_PIP = ("-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input")
_EXACTLY = ("--require-hashes", "--no-deps", "--only-binary", ":all:")


def python(folder: Path) -> Path:
    """The interpreter of the environment in *folder*."""
    return folder / ".venv" / "bin" / "python"


def install(folder: Path) -> None:
    """Make the environment in *folder* hold what its lock names; quick when it does already."""
    lock, stamp = folder / "requirements.lock", folder / ".venv" / ".installed"
    with node.alone(lock):
        wanted = hashlib.sha256(f"{folder} {sys.version}".encode() + lock.read_bytes()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        failed = _run(sys.executable, "-m", "venv", "--clear", str(folder / ".venv"))
        assert not failed, failed
        there, what = str(python(folder)), (*_EXACTLY, "-r", str(lock))
        if _run(sys.executable, *_UV, "--python", there, *what):
            failed = _run(there, *_PIP, *what)
            assert not failed, failed
        stamp.write_text(wanted)


def _run(*command: str) -> str:
    """What it complained of, if it failed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False)
    if not done.returncode:
        return ""
    return f"{' '.join(command[:4])} failed with {done.returncode}:\n{done.stdout}{done.stderr}"
