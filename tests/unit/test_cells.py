"""Which cell a thing is in, and what its keys are called there."""

from collections import Counter

import pytest
from redis.crc import key_slot

from shared import cells as kinds
from shared import keys
from shared.cells import Cells

#: What they were when this was written: another hash would lose what is kept.
FIXED = [170, 25, 80, 126]
_ID = "gen_0123456789abcdef0123456789abcdef"


def test_one_cell_has_todays_names() -> None:
    """What an installation without cells has written is read on, and ids keep their shape."""
    cells = Cells(1)
    [cell] = cells
    assert [cell.key(name) for name in keys.NAMES.values()] == list(keys.NAMES.values())
    assert cell.job(_ID) == _ID
    assert cells.of_generation(_ID) is cell
    assert len(cells.new_suffix(cell)) == 32


@pytest.mark.parametrize("count", [2, 8, 64, 256, 512])
def test_a_cell_is_one_slot(count: int) -> None:
    """Every key and channel of a cell has one hash slot, arq's own included; no two cells share a name."""
    cells = Cells(count)
    for cell in cells:
        made = [cell.key(name, "x") for name in keys.NAMES.values()] + [keys.JOB + cell.job(_ID)]
        assert len({key_slot(key.encode()) for key in made}) == 1
    assert len({cell.key(keys.LOG, _ID) for cell in cells}) == count
    assert cell.generation(cell.job(_ID)) == _ID


@pytest.mark.parametrize("count", [1, 2, 8, 256, 512])
def test_an_id_says_its_cell(count: int) -> None:
    """An id that was made for a cell is found there, and is as long as any other."""
    cells = Cells(count)
    for cell in cells:
        suffix = cells.new_suffix(cell)
        assert cells.of_generation(f"gen_{suffix}") is cell
        assert len(suffix) == 32
    assert len({cells.new_suffix(cell) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "wrong", ["", "gen_", "gen_zz", "gen_ff", "x", "gen_-1", "gen_ 1", "gen_1_", "gen_ü", "\ud800" * 9]
)
def test_what_is_no_id_is_in_some_cell(wrong: str) -> None:
    """Where it will not be found."""
    cells = Cells(8)
    assert cells.of_generation(wrong) in set(cells)


def test_conversations_spread_and_stay() -> None:
    """A conversation's cell follows from owner and name, for ever; none has far more than others."""
    cells = Cells(64)
    assert cells.of_conversation("owner", "c1") is cells.of_conversation("owner", "c1")
    assert [Cells(256).of_conversation("owner", f"c{i}").number for i in range(4)] == FIXED
    spread = Counter(cells.of_conversation("owner", f"c{i}").number for i in range(6400))
    assert len(spread) == 64 and max(spread.values()) < 160


def test_every_kind_of_key_is_in_one_place() -> None:
    """What says its cell, or that each has one, is written down for all of them, once."""
    said = (kinds._BY_ID, kinds._BY_CONVERSATION, kinds._BY_FIRST, kinds._AT_HOME, kinds._EACH)
    assert sorted(kind for each in said for kind in each) == sorted(keys.NAMES.values())
