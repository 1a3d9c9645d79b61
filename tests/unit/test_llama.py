"""The embedded model's server, without a model."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy import programs


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere llama.cpp's threads are not OpenMP's")
def test_its_threads_wait_without_spinning(tmp_path: Path) -> None:
    """On a machine that is busy otherwise a token would take seconds."""
    done = subprocess.run(
        programs.command("deploy.up.llama", "--file", str(tmp_path / "none.gguf"), "--port", "0"),
        env=programs.environment() | {"OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode != 0
    assert "GOMP_SPINCOUNT = '0'" in done.stderr, done.stderr
