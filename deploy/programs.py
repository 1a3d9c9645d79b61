"""Starting our own programs, `python -m gateway` and its like, wherever our packages are."""

import os
import sys
from pathlib import Path
from typing import NoReturn

_ROOT = Path(__file__).parents[1]


def command(module: str, *arguments: str) -> list[str]:
    """How *module* is started. Its `environment` belongs to it."""
    # -P: a folder that is called like one of our packages must not be taken for it.
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Ours, with our packages before all others: a wheel keeps them out of other projects' way."""
    others = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), *([others] if others else [])])}


def become(module: str, *arguments: str) -> NoReturn:
    """Go on as *module*."""
    os.execve(sys.executable, command(module, *arguments), environment())


def fail(message: str) -> NoReturn:
    """End with 1, having said why."""
    print(f"headrace: {message}", file=sys.stderr)
    sys.exit(1)
