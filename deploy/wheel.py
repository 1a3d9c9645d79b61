"""
Hatch's hook for the wheel: the client becomes the package `headrace`, and the wheel knows its commit.

The mapping in pyproject.toml cannot say so, because it takes the shortest of the paths that fit, and an
editable install must not copy what it is to show as it is edited: it has deploy/checkout on its path.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

UNKNOWN = "unknown"
_COMMIT = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})(-dirty)?")


class Client(BuildHookInterface[Any]):
    """Used by hatch alone."""

    _source: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Once before each build; *version* is `standard` or `editable`."""
        if version != "standard":
            return
        included = build_data["force_include"]
        included["deploy/client"] = "headrace"
        if bill := os.environ.get("HEADRACE_SBOM"):
            build_data["sbom_files"].append(bill)
        self._source = tempfile.TemporaryDirectory()
        path = Path(self._source.name, "build.json")
        path.write_text(json.dumps(built_from(Path(self.root), os.environ)) + "\n")
        included[str(path)] = "headrace/system/shared/build.json"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Once after each build."""
        if self._source is not None:
            self._source.cleanup()


def built_from(root: Path, environ: Mapping[str, str]) -> dict[str, object]:
    """
    What *root* is a copy of: its commit if it is a checkout, else what whoever copied it says in
    `SOURCE_COMMIT` (`git describe`'s, with `-dirty` for what is more than it), else unknown. Raises
    `ValueError` for what is no commit.
    """
    if source := source_of(root):
        return source
    said = environ.get("SOURCE_COMMIT", "").strip()
    if said in {"", UNKNOWN}:
        return {"commit": UNKNOWN}
    if not (commit := _COMMIT.fullmatch(said)):
        raise ValueError(f"SOURCE_COMMIT is no commit: {said!r}")
    return {"commit": commit[1], "dirty": commit[2] is not None}


def source_of(root: Path) -> dict[str, object] | None:
    """The commit that *root* is at; None where that is no checkout of ours, or there is no git."""
    try:
        if Path(_git(root, "rev-parse", "--show-toplevel")).resolve() != root.resolve():
            return None
        commit, committed_at = _git(root, "log", "-1", "--format=%H %cI").split()
        return {
            "commit": commit,
            "committed_at": committed_at,
            "dirty": bool(_git(root, "status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    git = shutil.which("git") or "git"
    done = subprocess.run([git, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()
