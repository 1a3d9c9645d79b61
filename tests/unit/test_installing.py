"""`make setup` shows how much has come and for how long, and what pip said where it failed."""

import io
import sys
from pathlib import Path

import pytest

from deploy import installing
from deploy.installing import Progress, install

#: As pip speaks: three packages, one of which is for another machine.
SAID = """\
Collecting a==1 (from -r x.lock (line 1))
  Downloading a-1-py3-none-any.whl (1.5 MB)
Collecting b==2 (from -r x.lock (line 3))
  Using cached b-2-py3-none-any.whl (500 kB)
Ignoring c: markers 'sys_platform == "win32"' don't match your environment
Installing collected packages: a, b
"""


class Terminal(io.StringIO):
    """A screen."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def pip(ending: str = "") -> list[str]:
    """A program that says the same."""
    return [sys.executable, "-c", f"import sys, time; print({SAID!r}, flush=True); time.sleep(0.3); {ending}"]


def test_a_bar(tmp_path: Path) -> None:
    """It fills up with what has come and then with what is in place; the size is pip's."""
    progress = Progress(3, tmp_path)
    assert progress.line.startswith("[" + "-" * 30 + "] 0 of 3 packages, 0 MB, 0:0")
    for line in SAID.splitlines()[:-1]:
        progress.hear(line.strip())
    assert "] 3 of 3 packages, 2 MB, 0:0" in progress.line
    progress.hear(SAID.splitlines()[-1])
    before = progress.line
    for name in "ab":
        (tmp_path / f"{name}-1.dist-info").mkdir()
    assert progress.line.count("#") > before.count("#")
    assert "putting them in place" in progress.line


def test_on_a_terminal(tmp_path: Path) -> None:
    """The bar is there while pip runs, and gone afterwards."""
    out = Terminal()
    assert install(pip(), Progress(3, tmp_path), out) == 0
    assert "of 3 packages" in out.getvalue() or "in place" in out.getvalue()
    assert out.getvalue().endswith("\r\033[K")


def test_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines tell of it now and then, and a failure in pip's own words."""
    monkeypatch.setattr(installing, "_LINE_S", 0.1)
    out = io.StringIO()
    assert install(pip("sys.exit('ERROR: no such package')"), Progress(3, tmp_path), out) == 1
    assert out.getvalue().startswith("headrace: [")
    assert "ERROR: no such package" in out.getvalue()
    assert "\r" not in out.getvalue()
