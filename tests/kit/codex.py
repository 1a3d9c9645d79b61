"""OpenAI's Codex CLI as published: the program that `tests/node/codex/package-lock.json` names."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from deploy.page import node

FOLDER = Path(__file__).parents[1] / "node" / "codex"

_TIMEOUT_S = 60
_CONFIG = """
model = "{model}"
model_provider = "headrace"
check_for_update_on_startup = false

[model_providers.headrace]
name = "Headrace"
base_url = "{url}"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
"""


def install() -> None:
    """Make `node_modules` hold what the lock names; quick when it does already."""
    node.install(FOLDER)


async def execute(folder: Path, url: str, model: str, said: str) -> list[dict[str, Any]]:
    """Run `codex exec` in *folder*, its home too; gives the events that it prints."""
    (folder / "config.toml").write_text(_CONFIG.format(url=url, model=model))
    script = FOLDER / "node_modules" / "@openai" / "codex" / "bin" / "codex.js"
    # What it runs is confined by the test: its sandbox needs rights that a container may not have.
    options = ("--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
    process = await asyncio.create_subprocess_exec(
        *(str(node.executable()), str(script), "exec", *options, said),
        cwd=folder,
        env={**os.environ, "CODEX_HOME": str(folder)},
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
    assert process.returncode == 0, f"codex failed:\n{out.decode()}{err.decode()}"
    return [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]
