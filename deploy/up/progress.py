"""What is shown while something takes long: a bar on a terminal, one line anywhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

_ASSEMBLING = "Putting the model together (only the first time)"


@contextmanager
def assembling(console: Console) -> Iterator[Callable[[int, int], None]]:
    """A bar that appears with the first report of bytes done and bytes in all."""
    told = False
    columns = (TextColumn(_ASSEMBLING), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", visible=False)

        def report(done: int, total: int) -> None:
            nonlocal told
            if not (told or console.is_terminal):
                console.print(_ASSEMBLING)
            told = True
            progress.update(task, completed=done, total=total, visible=True)

        yield report
