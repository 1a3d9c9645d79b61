"""The nodes of `headrace up --cluster` are planned once, for their owner alone."""

import stat
from pathlib import Path

import pytest

from deploy.up import cluster, nodes
from deploy.up.options import CannotStart


def test_planned_once(tmp_path: Path) -> None:
    """With two ports each, and a password that nobody else may read; the next start has the same."""
    plan = nodes.planned(tmp_path, 3, None)
    assert nodes.planned(tmp_path, 3, None) == nodes.planned(tmp_path, 3, plan.cells) == plan
    assert len({port for pair in plan.ports for port in pair}) == 12
    kept = tmp_path / "cluster" / "nodes.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert (nodes.is_there(tmp_path), nodes.is_there(tmp_path / "cluster")) == (True, False)


@pytest.mark.parametrize(("primaries", "cells"), [(4, None), (3, 16), (3, 64)])
def test_what_is_there_stays(tmp_path: Path, primaries: int, cells: int | None) -> None:
    """Data of another number of primaries, or in other cells, is neither moved nor begun anew."""
    nodes.planned(tmp_path, 3, None)
    with pytest.raises(CannotStart):
        nodes.planned(tmp_path, primaries, cells)


@pytest.mark.parametrize(("primaries", "cells"), [(3, 32), (4, 32), (5, 64), (8, 64)])
def test_cells(primaries: int, cells: int) -> None:
    """Eight or more for each primary."""
    assert cluster.cells(primaries) == cells
