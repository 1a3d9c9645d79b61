"""What a process of ours takes of memory, as Linux counts it."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit.program import Program

#: For tests that look.
only_where_counted = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc counts it")

#: What versions 2 and 1 of control groups call the controller; where groups are, and what limits them.
_HIERARCHIES = {
    "": (Path("/sys/fs/cgroup"), "memory.max"),
    "memory": (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
}


def resident_bytes(program: Program) -> int:
    """What it has in memory."""
    return _pages(program, 1)


def limit_growth(program: Program, more_bytes: int) -> None:
    """From now on it gets *more_bytes* of address space, and not one more."""
    limit = _pages(program, 0) + more_bytes
    resource.prlimit(program.pid, resource.RLIMIT_AS, (limit, limit))


@contextmanager
def memory_groups(count: int, most_bytes: int) -> Iterator[list[Path]]:
    """
    Control groups within our own, each with *most_bytes*: the kernel kills a member that needs more.

    In whichever version this machine has; skips the test where none may be made.
    """
    within, limit = _own_group()
    groups = [within / f"headrace-{os.getpid()}-{number}" for number in range(count)]
    try:
        for group in groups:
            group.mkdir()
            (group / limit).write_text(str(most_bytes))
        yield groups
    finally:
        for group in groups:
            for pid in (group / "cgroup.procs").read_text().split():
                (within / "cgroup.procs").write_text(pid)
            group.rmdir()


def enter(group: Path, program: Program) -> None:
    """*program* belongs to *group* from now on; what it has already does not count."""
    (group / "cgroup.procs").write_text(str(program.pid))


def _own_group() -> tuple[Path, str]:
    """Where groups of memory may be made, and the name of their limit."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in _HIERARCHIES:
            root, limit = _HIERARCHIES[controllers]
            group = root / path.lstrip("/")
            if (group / limit).exists() and os.access(group, os.W_OK):
                return group, limit
    pytest.skip("no control group for memory may be made here")


def _pages(program: Program, field: int) -> int:
    pages = int(Path(f"/proc/{program.pid}/statm").read_text().split()[field])
    return pages * os.sysconf("SC_PAGE_SIZE")
