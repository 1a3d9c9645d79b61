"""Debian's promtool: checks rules, and runs them over made-up samples."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit import debian

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = FOLDER / "headrace.rules.yml"


def promtool(*arguments: str | Path) -> None:
    """Fails with what it says."""
    program = debian.program("promtool")
    if program is None:
        pytest.skip("needs promtool")
    # It lives for seconds, and has more of use to do with them than to save memory.
    env = {**os.environ, "GOGC": "400"}
    done = subprocess.run([program, *arguments], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def rules() -> list[dict[str, Any]]:
    """All rules, in order: each has `record` or `alert`."""
    return [rule for group in _groups() for rule in group["rules"]]


def _groups() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    return groups


def alerts() -> list[dict[str, Any]]:
    """Those that are alerts."""
    return [rule for rule in rules() if "alert" in rule]


def run_tests(folder: Path, tests: list[dict[str, Any]], every: str) -> None:
    """Run *tests*, as promtool's documentation has them, over the rules, evaluated *every* so often."""
    file = folder / "tests.json"
    # Unsaid, groups come in any order, and alerts may look before what they look at is recorded.
    order = {"group_eval_order": [group["name"] for group in _groups()]}
    whole = {"rule_files": [str(RULES)], "evaluation_interval": every, "tests": tests}
    file.write_text(json.dumps(whole | order))
    promtool("test", "rules", file)
