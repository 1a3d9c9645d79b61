"""The embedded broker's data after a power cut: repaired where that is safe, else left alone."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from deploy.up import append_only, valkey

_INCR = "appendonlydir/appendonly.aof.1.incr.aof"
_MANIFEST = "appendonlydir/appendonly.aof.manifest"
Damage = Callable[[Path], object]


class Served:
    """A broker on a folder, or why it does not start."""

    def __init__(self, data: Path) -> None:
        self.socket = valkey.socket_path(data)
        self.process = subprocess.Popen(
            valkey.command(data, self.socket), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def keys(self) -> set[bytes] | None:
        """What it has; None if it does not start."""
        while not self._answers():
            if self.process.poll() is not None:
                return None
            time.sleep(0.01)
        client: Any = redis.Redis(unix_socket_path=str(self.socket))
        try:
            return set(client.keys("*"))
        finally:
            client.close()

    def end(self) -> None:
        """It writes what it has."""
        self.process.terminate()
        self.process.wait()

    def _answers(self) -> bool:
        client = redis.Redis(unix_socket_path=str(self.socket))
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three keys, and two more in a transaction, on disk."""
    data = tmp_path_factory.mktemp("data")
    served = Served(data)
    assert served.keys() == set()
    client: Any = redis.Redis(unix_socket_path=str(served.socket))
    for name in "abc":
        client.set(name, f"{name} \r\n*1\r\n")
    with client.pipeline(transaction=True) as pipe:
        pipe.set("d", 1).set("e", 2).execute()
    client.close()
    served.end()
    return data


def appended(content: bytes) -> Damage:
    """*content* after the last command."""
    return lambda data: (data / _INCR).open("ab").write(content)


def cut(count: int, then: bytes = b"") -> Damage:
    """The last *count* bytes are gone, and *then* is in their place."""

    def damage(data: Path) -> None:
        os.truncate(data / _INCR, (data / _INCR).stat().st_size - count)
        appended(then)(data)

    return damage


def manifest(change: Callable[[bytes], bytes]) -> Damage:
    """A list of files that a crash has changed so."""
    return lambda data: (data / _MANIFEST).write_bytes(change((data / _MANIFEST).read_bytes()))


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        (appended(bytes(4096)), b"abcde"),
        (appended(bytes(range(256))), b"abcde"),
        (appended(b"*3\r\n$3\r\nSET\r\n$1\r\nz" + bytes(100)), b"abcde"),
        (appended(b"*3\r\n$3\r\nSET\r\n$9999\r\nz\r\n\r\n"), b"abcde"),
        (cut(3, bytes(500)), b"abc"),
        (cut(9, b"\xff" * 30), b"abc"),
        (manifest(lambda text: text + bytes(100)), b"abcde"),
        (manifest(lambda text: bytes(len(text))), b"abcde"),
        (manifest(lambda text: text[:-20]), b"abcde"),
        (manifest(lambda _: b""), b"abcde"),
    ],
)
def test_repaired(written: Path, tmp_path: Path, damage: Damage, kept: bytes) -> None:
    """All whole commands are kept, the rest is copied, and it starts."""
    data = tmp_path / "data"
    shutil.copytree(written, data)
    damage(data)
    torn = {path.name: path.read_bytes() for path in (data / _INCR, data / _MANIFEST)}
    assert append_only.repair(data)
    copies = {path.name[:-2]: path.read_bytes() for path in (data / "damaged").glob("*")}
    now = {path.name: path.read_bytes() for path in (data / _INCR, data / _MANIFEST)}
    assert copies == {name: was for name, was in torn.items() if was and was != now[name]}
    assert (b"MULTI" in (data / _INCR).read_bytes()) == (b"d" in kept)
    served = Served(data)
    try:
        assert served.keys() == {bytes([name]) for name in kept}
    finally:
        served.end()


@pytest.mark.parametrize("hole", [b"\0" * 8, b"*9\r\n$3\r\n"])
def test_damage_in_the_middle(written: Path, tmp_path: Path, hole: bytes) -> None:
    """Where whole commands follow, nothing is touched, and what to do is said."""
    data = tmp_path / "data"
    shutil.copytree(written, data)
    path = data / _INCR
    content = path.read_bytes()
    at = content.index(b"*3\r\n$3\r\nSET\r\n$1\r\nb")
    path.write_bytes(content[:at] + hole + content[at + len(hole) :])
    before = path.read_bytes()
    with pytest.raises(append_only.BeyondRepair, match=f"byte {at}.*truncate -s {at} "):
        append_only.repair(data)
    assert path.read_bytes() == before


def test_kept_for_good(written: Path, tmp_path: Path) -> None:
    """What another repair has kept stays; where a file is missing there is no telling what the list said."""
    data = tmp_path / "data"
    shutil.copytree(written, data)
    for tail in (bytes(9), b"\xff"):
        appended(tail)(data)
        assert append_only.repair(data)
    kept = sorted((data / "damaged").glob("*"))
    assert [path.read_bytes()[-1:] for path in kept] == [b"\0", b"\xff"]
    shutil.copy(data / _INCR, data / _INCR.replace(".1.", ".3."))
    manifest(lambda text: b"")(data)
    with pytest.raises(append_only.BeyondRepair, match="does not name"):
        append_only.repair(data)


def test_nothing_to_repair(written: Path, tmp_path: Path) -> None:
    """What is whole is left alone."""
    data = tmp_path / "data"
    shutil.copytree(written, data)
    assert append_only.repair(data) == []
    assert append_only.repair(tmp_path / "none") == []
