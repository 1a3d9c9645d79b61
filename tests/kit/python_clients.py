"""
Python clients as published: what `tests/python/requirements.lock` names, in a `.venv` of its own beside it.

They bring along much that the project has no use for. `python -m tests.kit.python_clients` installs them, and
so does a test that finds the lock changed.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from tests.kit import locked

FOLDER = Path(__file__).parents[1] / "python"

_SCENARIO_TIMEOUT_S = 100


def install() -> None:
    """Make the environment hold what the lock names; quick when it does already."""
    locked.install(FOLDER)


async def play(scenario: str, **arguments: Any) -> Any:
    """Run `tests/python/<scenario>.py` with *arguments*; gives the JSON that its last line is."""
    # Prices of models, which it would ask the network for.
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    process = await asyncio.create_subprocess_exec(
        *(str(locked.python(FOLDER)), str(FOLDER / f"{scenario}.py"), json.dumps(arguments)),
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


if __name__ == "__main__":
    install()
