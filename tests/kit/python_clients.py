"""
Python clients as published: what `tests/python/requirements.lock` names, in a `.venv` of its own beside it.

They bring along much that the project has no use for. `python -m tests.kit.python_clients` installs them, and
so does a test that finds the lock changed.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.kit import locked

FOLDER = Path(__file__).parents[1] / "python"

_SCENARIO_TIMEOUT_S = 100


def install() -> None:
    """Make the environment hold what the lock names; quick when it does already."""
    locked.install(FOLDER)


async def play(scenarios: Sequence[str], **arguments: Any) -> dict[str, Any]:
    """
    What each of `tests/python/<scenario>.py` gives for *arguments*. One interpreter plays all of them, for
    what they import takes far longer than what they do, and much of it is the same.
    """
    asked = json.dumps({"scenarios": scenarios, "arguments": arguments})
    # Prices of models, which it would ask the network for.
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    process = await asyncio.create_subprocess_exec(
        *(str(locked.python(FOLDER)), str(FOLDER / "play.py"), asked),
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
    assert process.returncode == 0, f"{scenarios} failed:\n{out.decode()}{err.decode()}"
    return dict(json.loads(out.splitlines()[-1]))


if __name__ == "__main__":
    install()
