"""Wheels of this checkout, and of releases before it, each in a folder of its own with nothing else."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: The commit of the last release, whose version runs beside ours during an upgrade.
LAST = "697656c658cc957dc66adbd8861645f120f9adc4"

_TIMEOUT_S = 120
_PIP = (sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check")


def wheel(folder: Path, source: Path = ROOT) -> Path:
    """The wheel of *source*, put into *folder*."""
    run(*_PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    [built] = folder.glob("*.whl")
    return built


def is_known(commit: str) -> bool:
    """Whether this checkout has that part of its history."""
    command = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def installed(folder: Path, commit: str | None = None) -> Path:
    """Where the wheel of *commit*, else of this checkout, is installed; its dependencies are ours."""
    source = ROOT
    if commit is not None:
        source = folder / "source"
        archive = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, capture_output=True, check=True, timeout=_TIMEOUT_S
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(source, filter="data")
        (source / "gateway/web/dist/page").mkdir(parents=True)
    built = wheel(folder / "wheel", source)
    run(*_PIP, "install", "--no-index", "--no-deps", "--target", folder / "site", built)
    return folder / "site"


def run(*command: str | Path) -> None:
    """It must end well."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
