"""The `headrace` command, run to its end."""

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.kit.program import FEW_CERTIFICATES, environment

_ROOT = Path(__file__).parents[2]


async def said_by(*arguments: str, cwd: Path = _ROOT, **settings: object) -> tuple[int, str]:
    """Its exit code, and all that it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deploy",
        *arguments,
        cwd=cwd,
        env=environment(**settings) | FEW_CERTIFICATES | {"PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()
