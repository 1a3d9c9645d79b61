"""The data directory belongs to one `headrace up`."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.up import valkey
from deploy.up.data_directory import DataDirectory, DataDirectoryUnusable
from deploy.up.leftovers import identity


def test_private(tmp_path: Path) -> None:
    """Nobody else may look into it."""
    with DataDirectory(tmp_path / "a" / "data") as data:
        assert stat.S_IMODE(data.path.stat().st_mode) == 0o700


def test_one_at_a_time(tmp_path: Path) -> None:
    """A second one is refused and told who is there; then it may. Nothing of it stays open."""
    (tmp_path / "lock").write_text(f"4194304 {'of another machine ' * 20}")
    open_files = len([*Path("/dev/fd").iterdir()])
    with DataDirectory(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()} {identity(os.getpid())}\n"
        with (
            pytest.raises(DataDirectoryUnusable, match=f"process {os.getpid()}.*--data"),
            DataDirectory(tmp_path),
        ):
            pass
    with DataDirectory(tmp_path):
        pass
    assert len([*Path("/dev/fd").iterdir()]) == open_files


def test_where_nobody_may_write(tmp_path: Path) -> None:
    """It is said, with what to do."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(DataDirectoryUnusable, match=r"cannot be written to .*--data"),
        DataDirectory(tmp_path / "file" / "data"),
    ):
        pass


def test_where_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is said to be that, of which folder, and leaves nothing locked."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with (
            pytest.raises(DataDirectoryUnusable, match=r"cannot .*No space left.*make room.*--data"),
            DataDirectory(tmp_path),
        ):
            pass
    with DataDirectory(tmp_path):
        pass


def test_locked_while_a_child_holds_it(tmp_path: Path) -> None:
    """A child that inherited the lock keeps the directory locked until it has ended."""
    with DataDirectory(tmp_path) as data:
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[data.lock]
        )
    with pytest.raises(DataDirectoryUnusable, match="in use by another"), DataDirectory(tmp_path):
        pass
    (tmp_path / "lock").write_text(f"{os.getpid()} who had this number before\n")
    with pytest.raises(DataDirectoryUnusable, match="left behind"), DataDirectory(tmp_path):
        pass
    child.communicate(b"\n")
    with DataDirectory(tmp_path):
        pass


def test_socket_path(tmp_path: Path) -> None:
    """The broker's socket is in the data directory, unless its path would be too long for the system."""
    assert valkey.socket_path(tmp_path).parent == tmp_path
    far = tmp_path / ("x" * 100)
    far.mkdir()
    elsewhere = valkey.socket_path(far)
    assert len(os.fsencode(elsewhere)) <= 100
    assert stat.S_IMODE(elsewhere.parent.stat().st_mode) == 0o700
    elsewhere.parent.rmdir()


def test_url() -> None:
    """A path with odd characters survives its way through a URL."""
    assert valkey.url(Path("/a b/c?d#e")) == "unix:///a%20b/c%3Fd%23e"
