"""
Python clients as published: what `tests/python/requirements.lock` names, in a `.venv` of its own beside it.

They bring along much that the project has no use for. `python -m tests.kit.python_clients` installs them, and
so does a test that finds the lock changed.
"""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from deploy.page import node

FOLDER = Path(__file__).parents[1] / "python"

_LOCK = FOLDER / "requirements.lock"
_PYTHON = FOLDER / ".venv" / "bin" / "python"
_INSTALL_TIMEOUT_S = 600
_SCENARIO_TIMEOUT_S = 100
_PIP = ("-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input")
_EXACTLY = ("--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(_LOCK))


def install() -> None:
    """Make the environment hold what the lock names; quick when it does already."""
    stamp = FOLDER / ".venv" / ".installed"
    with node.alone(_LOCK):
        wanted = hashlib.sha256(f"{FOLDER} {sys.version}".encode() + _LOCK.read_bytes()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        _run(sys.executable, "-m", "venv", "--clear", str(FOLDER / ".venv"))
        _run(str(_PYTHON), *_PIP, *_EXACTLY)
        stamp.write_text(wanted)


async def play(scenario: str, **arguments: Any) -> Any:
    """Run `tests/python/<scenario>.py` with *arguments*; gives the JSON that its last line is."""
    # Prices of models, which it would ask the network for.
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    process = await asyncio.create_subprocess_exec(
        *(str(_PYTHON), str(FOLDER / f"{scenario}.py"), json.dumps(arguments)),
        env=env,
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
    return json.loads(out.splitlines()[-1])


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False)
    assert done.returncode == 0, f"{' '.join(command[:4])} failed:\n{done.stdout}{done.stderr}"


if __name__ == "__main__":
    install()
