"""Ctrl-C while `headrace` is only being imported: no traceback, and the status that shells know."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import headrace
from tests.kit.program import environment

ROOT = Path(__file__).parents[2]
SCRIPT = str(Path(sys.executable).with_name("headrace"))


@pytest.mark.parametrize("command", [(SCRIPT,), (sys.executable, "-m", "deploy")], ids=["script", "module"])
def test_while_it_is_imported(tmp_path: Path, command: tuple[str, ...]) -> None:
    """As where a module takes long; nothing has begun yet, so there is nothing to say."""
    slow = "import time\nprint('importing', flush=True)\ntime.sleep(60)\n"
    (tmp_path / "cyclopts.py").write_text(slow)
    process = subprocess.Popen(
        [*command, "up"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment() | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        cwd=tmp_path,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    assert (process.communicate(timeout=20), process.returncode) == (("", ""), 130)


def test_the_client_is_there_when_it_is_asked_for() -> None:
    """Its package imports nothing of others until then; each of its names is where it was."""
    code = "import sys, headrace.__main__; print({*sys.modules} & {'aiohttp', 'msgspec', 'cyclopts'})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert all(getattr(headrace, name) is not None for name in headrace.__all__)
    assert headrace.errors.HeadraceError is headrace.HeadraceError
    with pytest.raises(AttributeError, match="Nobody"):
        _ = headrace.Nobody  # type: ignore[attr-defined]
