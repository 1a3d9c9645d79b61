"""Anthropic's Claude Code as published: the program that `tests/node/claude_code/package-lock.json` names."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from deploy.page import node

FOLDER = Path(__file__).parents[1] / "node" / "claude_code"

_TIMEOUT_S = 60


def install() -> None:
    """Make `node_modules` hold what the lock names; quick when it does already."""
    node.install(FOLDER)


async def execute(folder: Path, url: str, model: str, said: str) -> list[dict[str, Any]]:
    """Run `claude -p` in *folder*, its home too, and let it run commands; gives the events that it prints."""
    packages = FOLDER / "node_modules" / "@anthropic-ai"
    # The package for everybody only looks for the one with this machine's program.
    [program] = [path for path in packages.glob("claude-code-*/claude") if os.access(path, os.X_OK)][:1]
    options = ("--output-format", "stream-json", "--verbose", "--allowedTools", "Bash", "--model", model)
    settings = {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "none",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CONFIG_DIR": str(folder),
        "DISABLE_AUTOUPDATER": "1",
        "HOME": str(folder),
    }
    process = await asyncio.create_subprocess_exec(
        *(str(program), "-p", said, *options),
        cwd=folder,
        env={**os.environ, **settings},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
    assert process.returncode == 0, f"claude failed:\n{out.decode()}{err.decode()}"
    return [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]
