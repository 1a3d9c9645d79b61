"""
Whether the broker's data is in as many cells as this process takes it to be: otherwise nothing of it would
be found, and what is new would lie beside it. Each cell's clock says how many there are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from shared.cells import Cell, tag
from shared.startup import SettingsWrong

#: What one cell's clock says, by `FIELDS`: when it was last looked at, how many cells there are, and whether
#: `headrace move` has yet to end what it copies here.
FIELDS = "seen", "cells", "moving"
Ask = Callable[[Cell], Awaitable[Sequence[bytes | None]]]

#: The first cell of every layout there can be.
FIRST_CELLS = tuple(Cell(0, tag(0, count)) for count in (1, 256, 4096))

#: Of this layout's own cells.
_ASKED_AT_MOST = 16
#: Several fit into a command's time.
_ANSWER_WITHIN_S = 1.5
_HALF_MOVED = (
    "a `headrace move` into this broker was broken off, so that only a part of the data is here: empty it "
    "(FLUSHALL at each primary), and begin again"
)
_WRONG = (
    "the data in the broker is in {found}, which cannot be changed: set it to that, or use an empty broker "
    "(`headrace move` copies data into other cells)"
)


async def confirm(cells: Iterable[Cell], count: int, ask: Ask, away: tuple[type[Exception], ...]) -> None:
    """
    Raises `SettingsWrong` where the data is laid out otherwise, and what *ask* raised, one of *away*, where
    that cannot be told.
    """
    failed: Exception | None = None
    for asked, cell in enumerate(cells, 1):
        try:
            # A primary that hangs must not keep from us what the others say.
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                found = _count(cell, await ask(cell))
        except away as error:
            failed = error
            continue
        if found == count:
            return
        # An empty cell tells nothing: most are, where little is kept yet.
        if asked > _ASKED_AT_MOST:
            break
    for cell in FIRST_CELLS:
        found = _count(cell, await ask(cell))
        if found is not None and found != count:
            raise SettingsWrong([("cells", _WRONG.format(found=found))])
    if failed is not None:
        raise failed


def _count(cell: Cell, clock: Sequence[bytes | None]) -> int | None:
    seen, cells, moving = clock
    if moving is not None:
        raise SettingsWrong([("redis_url", _HALF_MOVED)])
    if not cell.tag:
        return None if seen is None else 1
    return None if cells is None else int(cells)
