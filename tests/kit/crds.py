"""What KEDA and the Prometheus operator take: packages of `tests/node/crds/package-lock.json`."""

import asyncio
import json
from typing import Any

from deploy.page import node
from tests.kit.node_clients import FOLDER

_FOLDER = FOLDER / "crds"


def install() -> None:
    """Have their schemas; quick when they are there already."""
    node.install(_FOLDER)


async def wrong(objects: list[dict[str, Any]]) -> list[str]:
    """What they would not take of *objects*."""
    install()
    process = await asyncio.create_subprocess_exec(
        *(node.executable(), _FOLDER / "validate.mjs"),
        env=node.environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(json.dumps(objects).encode())
    assert process.returncode == 0, err.decode()
    found: list[str] = json.loads(out)["wrong"]
    return found


if __name__ == "__main__":
    install()
