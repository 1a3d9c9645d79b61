"""Where a build came from: an in-toto statement with SLSA's predicate. Unsigned: who publishes signs."""

import hashlib
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shared.build import Source

#: What decides what goes into a build, beside the commit that holds it.
_LOCKS = ("requirements.lock", "gateway/web/package-lock.json")


def digest(path: Path) -> str:
    """Its SHA-256."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def statement(built: Iterable[Path], source: Source, root: Path, tools: dict[str, str]) -> dict[str, Any]:
    """Of the files *built* from *source*, with *tools* and their versions."""
    locks = [{"uri": f"file:{name}", "digest": {"sha256": digest(root / name)}} for name in _LOCKS]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": path.name, "digest": {"sha256": digest(path)}} for path in built],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:headrace:make-dist:v1",
                "externalParameters": {"target": "dist"},
                "internalParameters": {"dirty": source.dirty},
                "resolvedDependencies": [
                    {"uri": "git:headrace", "digest": {"gitCommit": source.commit}},
                    *locks,
                ],
            },
            "runDetails": {
                "builder": {"id": "urn:headrace:make-dist", "version": tools},
                "metadata": {"invocationId": source.commit},
            },
        },
    }


def tools(node: str) -> dict[str, str]:
    """The versions of what builds here."""
    return {"python": platform.python_version(), "node": node, "system": platform.system().lower()}
