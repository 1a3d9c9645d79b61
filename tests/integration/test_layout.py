"""
`HEADRACE_CELLS` belongs to the data: a process that takes it to be another number touches nothing, and
says so.
"""

import pytest

from shared.broker import Broker
from shared.startup import SettingsWrong, read_settings
from tests.kit.local import Local


@pytest.mark.parametrize(("laid_out", "taken_for"), [(1, 8), (8, 1), (8, 16), (8, 512), (512, 8)])
async def test_another_number(local: Local, laid_out: int, taken_for: int) -> None:
    """Refused before anything is written, in whichever direction."""
    there = Broker(local.settings(cells=laid_out))
    await there.run("clock", next(iter(there.cells)), [])
    before = set(local.redis.keys())
    other = Broker(local.settings(cells=taken_for))
    with pytest.raises(SettingsWrong, match=f"HEADRACE_CELLS: the data in the broker is in {laid_out}, "):
        await other.run("clock", other.cells.any(), [])
    with pytest.raises(SettingsWrong):
        await other.confirm()
    assert set(local.redis.keys()) == before
    again = Broker(local.settings(cells=laid_out))
    await again.confirm()
    for each in (there, other, again):
        await each.close()


async def test_data_from_before_there_were_cells(local: Local) -> None:
    """Its clock names no number: it is in one."""
    local.redis.hset("hr:clock", mapping={"seen": 1, "ahead": 0})
    local.redis.expire("hr:clock", 100)
    one, many = Broker(local.settings()), Broker(local.settings(cells=2))
    await one.confirm()
    with pytest.raises(SettingsWrong, match="is in 1, "):
        await many.confirm()
    for each in (one, many):
        await each.close()


@pytest.mark.parametrize("cells", [0, 3, 6, 5000])
def test_what_is_no_number_of_cells(cells: int) -> None:
    """A power of two, or it is refused."""
    with pytest.raises(SettingsWrong, match="HEADRACE_CELLS"):
        read_settings({"cells": cells}, models_needed=False)
