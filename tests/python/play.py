"""Run scenarios one after another, in one interpreter, and print what each answers as JSON."""

import asyncio
import json
import sys
from importlib import import_module
from typing import Any


async def play(scenarios: list[str], arguments: dict[str, Any]) -> dict[str, Any]:
    """A scenario takes the API's address, the model and what is said, and gives what it has read."""
    return {name: await import_module(name).scenario(**arguments) for name in scenarios}


print(json.dumps(asyncio.run(play(**json.loads(sys.argv[1])))))
