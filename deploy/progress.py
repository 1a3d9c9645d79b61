"""What is shown while something takes long: a bar on a terminal, now and then a line anywhere else."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

#: How often a line tells of it where there is no terminal.
_LINE_S = 10.0
_MB = 1_000_000

#: Hears how much is done, and of how much; 0 where that is not known yet.
Report = Callable[[int, int], None]
Unit = Literal["bytes", "pieces", "time"]


@contextmanager
def bar(what: str | None, unit: Unit = "pieces", console: Console | None = None) -> Iterator[Report]:
    """
    *what* as a line, and under it a bar with how much and for how long, from the first report on.

    The bar is gone with the end, and its clock goes on between two reports. Without a terminal there is a
    line each ten seconds instead: what takes no time is not spoken of twice. Of what takes *time* nobody
    knows how much is left.
    """
    console = console or Console(stderr=True)
    columns: list[ProgressColumn] = [BarColumn(), *_SIZES[unit](), TimeElapsedColumn()]
    if unit == "bytes":
        columns += [TextColumn("left:"), TimeRemainingColumn()]
    shown = console.is_terminal
    began = told = time.monotonic()
    first = True
    with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
        task = progress.add_task("", visible=False, total=None)

        def report(done: int, total: int) -> None:
            nonlocal first, told
            now = time.monotonic()
            if first and what:
                console.print(what, highlight=False, soft_wrap=True)
            elif not first and not shown and now - told >= _LINE_S:
                console.print(f"  {_amount(done, total, unit)}{now - began:.0f} s", highlight=False)
                told = now
            first = False
            progress.update(task, completed=done, total=total or None, visible=True)

        yield report


_SIZES: dict[Unit, Callable[[], list[ProgressColumn]]] = {
    "bytes": lambda: [DownloadColumn()],
    "pieces": lambda: [MofNCompleteColumn()],
    "time": list,
}


def _amount(done: int, total: int, unit: Unit) -> str:
    if unit == "time":
        return ""
    one, name = (_MB, " MB") if unit == "bytes" else (1, "")
    return f"{done // one} of {total // one}{name}, " if total else f"{done // one}{name}, "
