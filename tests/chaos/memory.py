"""What a process of ours takes of memory, as Linux counts it."""

import os
import resource
from pathlib import Path

import pytest

from tests.program import Program

#: For tests that look.
only_where_counted = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc counts it")


def resident_bytes(program: Program) -> int:
    """What it has in memory."""
    return _pages(program, 1)


def limit_growth(program: Program, more_bytes: int) -> None:
    """From now on it gets *more_bytes* of address space, and not one more."""
    limit = _pages(program, 0) + more_bytes
    resource.prlimit(program.pid, resource.RLIMIT_AS, (limit, limit))


def _pages(program: Program, field: int) -> int:
    pages = int(Path(f"/proc/{program.pid}/statm").read_text().split()[field])
    return pages * os.sysconf("SC_PAGE_SIZE")
