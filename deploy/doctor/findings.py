"""What was looked at, how it is, and what to do about it."""

from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table

Level = Literal["good", "mind", "wrong"]
_SIGNS: dict[Level, tuple[str, str]] = {
    "good": ("ok", "green"),
    "mind": ("mind", "yellow"),
    "wrong": ("WRONG", "red"),
}


@dataclass(frozen=True)
class Finding:
    """One of them. `mind`: it works, and may not for ever, or not for everybody."""

    level: Level
    what: str
    says: str
    #: What to do, where it is not good.
    do: str = ""


def good(what: str, says: str) -> Finding:
    """All is well."""
    return Finding("good", what, says)


def mind(what: str, says: str, do: str) -> Finding:
    """It works all the same."""
    return Finding("mind", what, says, do)


def wrong(what: str, says: str, do: str) -> Finding:
    """It does not work, or will lose something."""
    return Finding("wrong", what, says, do)


def show(findings: list[Finding], console: Console) -> None:
    """A line each; below it what to do."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        sign, style = _SIGNS[finding.level]
        says = f"{finding.says}\n-> {finding.do}" if finding.do else finding.says
        table.add_row(f"[{style}]{sign}[/]", finding.what, says)
    console.print(table)
