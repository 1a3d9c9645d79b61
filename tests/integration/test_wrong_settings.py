"""Settings that cannot be: a process names every one of them at once, and then ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.program import environment

#: What each process is started with.
PROCESSES = {
    "gateway": ["-m", "gateway"],
    "worker": ["-m", "worker"],
    "headrace gateway": ["-m", "deploy", "gateway"],
    "headrace worker": ["-m", "deploy", "worker"],
    "headrace up": ["-m", "deploy", "up", "--no-page", "--data", "data"],
}
WRONG = {
    "port": "70000",
    "lease_s": "never",
    "log_level": "loud",
    "heartbeat_s": "inf",
    "metrics_host": "a..b",
    "redis_url": "http://user:hunter2/x@host",
}


def said(process: str, folder: Path, **settings: object) -> list[str]:
    """The lines a process ends with, all of them on standard error."""
    ended = subprocess.run(
        [sys.executable, *PROCESSES[process]],
        env=environment(**settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    return ended.stderr.splitlines()


def named(lines: list[str]) -> list[str]:
    """The variables that the lines are about."""
    assert all(line.startswith("headrace: HEADRACE_") for line in lines), lines
    return sorted(line.split(": ")[1] for line in lines)


@pytest.mark.parametrize("process", PROCESSES)
def test_every_one_is_named_at_once(process: str, tmp_path: Path) -> None:
    """
    One line each, with the variable's name and without its value: that may be a secret. What is wrong only
    together, an open door without keys, is named beside what is wrong by itself.
    """
    wrong = WRONG if process == "headrace up" else {**WRONG, "models": "none.toml"}
    if "worker" not in process:
        wrong = {**wrong, "host": "0.0.0.0"}
    lines = said(process, tmp_path, **wrong)
    assert named(lines) == sorted(f"HEADRACE_{name.upper()}" for name in wrong)
    assert "hunter2" not in "".join(lines)
    assert ("HEADRACE_API_KEYS" in "".join(lines)) == ("host" in wrong)


@pytest.mark.parametrize("process", ["gateway", "worker"])
def test_no_models(process: str, tmp_path: Path) -> None:
    """Without models there is nothing to do."""
    assert named(said(process, tmp_path)) == ["HEADRACE_MODELS"]


def test_models_that_no_worker_can_serve(tmp_path: Path) -> None:
    """A worker names every model it cannot serve."""
    (tmp_path / "models.toml").write_text(
        """
        [models.keyless]
        base_url = "http://host/v1"
        api_key_env = "NO_SUCH_KEY"
        [models.elsewhere]
        base_url = "host/v1"
        [models.scripted]
        backend = "scripted"
        parameters = { rating = 1 }
        """
    )
    lines = said("worker", tmp_path, models="models.toml")
    assert named(lines) == ["HEADRACE_MODELS"] * 3
    wanted = ("NO_SUCH_KEY", "'host/v1'", "rating")
    assert all(word in line for word, line in zip(wanted, lines, strict=True))
