"""
JavaScript clients as published, and axe for the browser: packages of `tests/node/package-lock.json` on the
Node of our own wheel.

`python -m tests.kit.node_clients` installs them, and so does a test that finds the lock or Node changed.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

from deploy.page import node
from tests.kit import codex

FOLDER = Path(__file__).parents[1] / "node"

_SCENARIO_TIMEOUT_S = 30


def install() -> None:
    """Make `node_modules` hold what the lock names; quick when it does already."""
    node.install(FOLDER)


async def play(scenario: str, **arguments: Any) -> Any:
    """Run `tests/node/<scenario>.mjs` with *arguments*; gives the JSON it prints."""
    process = await asyncio.create_subprocess_exec(
        *(node.executable(), FOLDER / f"{scenario}.mjs", json.dumps(arguments)),
        # What it compiled once it does not compile again.
        env={**node.environment(), "NODE_COMPILE_CACHE": str(FOLDER / "node_modules" / ".compiled")},
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


if __name__ == "__main__":
    install()
    codex.install()
