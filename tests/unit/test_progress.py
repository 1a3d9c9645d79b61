"""What takes long is a bar on a terminal, and elsewhere a line now and then."""

import io

import pytest
from rich.console import Console

from deploy import progress
from deploy.progress import Unit, bar


def shown(terminal: bool, unit: Unit, *reports: tuple[int, int]) -> str:
    """What a console of eighty columns has got."""
    out = io.StringIO()
    with bar("Fetching it", unit, Console(file=out, force_terminal=terminal, width=80)) as report:
        for done, total in reports:
            report(done, total)
    return out.getvalue()


def test_a_terminal() -> None:
    """What it is, how much of how much, and for how long, in one row."""
    said = shown(True, "bytes", (0, 10**9), (250_000_000, 10**9))
    assert "Fetching it\n" in said
    assert "0.2/1.0 GB" in said
    assert "0:00:00" in said
    assert "2/5" in shown(True, "pieces", (2, 5))


def test_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line at its beginning, further ones only where it takes long, none where nothing happens."""
    assert shown(False, "bytes", (0, 10**9), (10**9, 10**9)) == "Fetching it\n"
    assert shown(False, "bytes") == ""
    monkeypatch.setattr(progress, "_LINE_S", 0.0)
    assert shown(False, "bytes", (0, 10**9), (250_000_000, 10**9)) == "Fetching it\n  250 of 1000 MB, 0 s\n"
    assert shown(False, "pieces", (1, 5), (2, 5)) == "Fetching it\n  2 of 5, 0 s\n"
    assert shown(False, "time", (0, 0), (0, 0)) == "Fetching it\n  0 s\n"
