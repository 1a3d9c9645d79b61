"""Run a scenario with the arguments that the test gave, and print what it answers as JSON."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any


def read_level(gate: str) -> str:
    """Reads the level of a gate."""
    return f"The {gate} gate is at 1.2."


def play(scenario: Callable[..., Awaitable[Any]]) -> None:
    """*scenario* takes the API's address, the model and what is said, and gives what it has read."""
    print(json.dumps(asyncio.run(_play(scenario))))


async def _play(scenario: Callable[..., Awaitable[Any]]) -> Any:
    return await scenario(**json.loads(sys.argv[1]))
