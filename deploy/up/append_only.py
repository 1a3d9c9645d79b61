"""
The embedded broker's append-only file after a power cut: what is torn off its end is let go, after a copy.

Safe to let go is a tail without a whole command: zeros, garbage, half a command, an unfinished transaction.
Whatever else is damaged is left as it is, with what to do about it said exactly.
"""

import mmap
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

_FOLDER, _MANIFEST = "appendonlydir", "appendonly.aof.manifest"
_ENTRY = re.compile(rb"file (\S+) seq (\d+) type ([bhi])")
_COUNT = re.compile(rb"\*([1-9]\d{0,6})\r\n")
_LENGTH = re.compile(rb"\$(\d{1,9})\r\n")
_COMMAND = re.compile(rb"\*[1-9]\d{0,6}\r\n\$\d{1,9}\r\n")


class BeyondRepair(Exception):
    """It cannot be repaired without losing what may still be good; the message says what to do."""


class _Walk(NamedTuple):
    #: Where the commands end that are whole, and outside of an unfinished transaction.
    whole: int
    #: Where reading ended.
    damaged: int


def repair(data: Path) -> list[str]:
    """Repair what is safe to repair under *data*; says what was done. Raises `BeyondRepair`, `OSError`."""
    folder = data / _FOLDER
    if not folder.is_dir():
        return []
    done = _repair_manifest(data, folder)
    entries = _entries(folder / _MANIFEST)
    last = next((folder / name for name, kind in reversed(entries) if kind == b"i"), None)
    if last is not None and last.is_file():
        done += _repair_tail(data, last)
    return done


def advice(data: Path) -> str:
    """What is left to do where nothing was repaired."""
    folder = data / _FOLDER
    return (
        f"if its data is damaged: put a backup in the place of {folder}, "
        f"or begin anew without it: mv {folder} {folder}.damaged"
    )


def _repair_tail(data: Path, path: Path) -> list[str]:
    size = path.stat().st_size
    if not size:
        return []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        whole, damaged = _walk(content)
        if whole == size:
            return []
        for found in _COMMAND.finditer(content, damaged + 1):
            if _command(content, found.start()) is not None:
                raise BeyondRepair(
                    f"{path} is damaged at byte {damaged}, and whole commands follow: to go on without them, "
                    f"keep a copy and run: truncate -s {whole} {path}"
                )
    copy = _keep(data, path)
    with path.open("r+b") as torn:
        torn.truncate(whole)
        os.fsync(torn.fileno())
    return [
        f"the broker's data was torn at its end, as by a power cut: {size - whole} bytes that are no whole "
        f"command were let go (a copy is {copy})"
    ]


def _repair_manifest(data: Path, folder: Path) -> list[str]:
    manifest = folder / _MANIFEST
    text = manifest.read_bytes() if manifest.exists() else b""
    entries = _entries(manifest)
    if text and text == b"".join(line + b"\n" for line in text.split(b"\n") if _ENTRY.fullmatch(line)):
        return []
    # What the damage took may have named a file: what is there has the last word.
    found = _found(folder)
    if found and set(entries) <= set(found):
        entries = found
    else:
        raise BeyondRepair(f"{manifest} does not name the broker's data any more; {advice(data)}")
    copy = f" (a copy is {_keep(data, manifest)})" if text else ""
    partial = manifest.with_suffix(".part")
    with partial.open("wb") as file:
        for name, kind in entries:
            seq = name.rsplit(".", 3)[-3]
            file.write(b"file %s seq %s type %s\n" % (name.encode(), seq.encode(), kind))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(manifest)
    return [f"the list of the broker's files was torn, and was written again{copy}"]


def _entries(manifest: Path) -> list[tuple[str, bytes]]:
    """What the list names before it is damaged."""
    entries = []
    if manifest.exists():
        for line in manifest.read_bytes().split(b"\n"):
            found = _ENTRY.fullmatch(line)
            if found is None:
                break
            entries.append((found[1].decode(), found[3]))
    return entries


def _found(folder: Path) -> list[tuple[str, bytes]]:
    """What the list must have named, where there is no doubt about it."""
    bases = list(folder.glob("appendonly.aof.*.base.*"))
    numbers = sorted(int(path.name.split(".")[2]) for path in folder.glob("appendonly.aof.*.incr.aof"))
    if len(bases) > 1 or not numbers or numbers != list(range(numbers[0], numbers[-1] + 1)):
        return []
    return [(path.name, b"b") for path in bases] + [(f"appendonly.aof.{n}.incr.aof", b"i") for n in numbers]


def _walk(content: mmap.mmap) -> _Walk:
    at, transaction = 0, None
    while at < len(content):
        if content[at : at + 1] == b"#":  # a remark, such as the time
            end = content.find(b"\r\n", at)
            after = None if end < 0 else (end + 2, b"")
        else:
            after = _command(content, at)
        if after is None:
            break
        name = after[1].upper()
        if name == b"MULTI":
            transaction = at
        elif name == b"EXEC":
            transaction = None
        at = after[0]
    return _Walk(at if transaction is None else transaction, at)


def _command(content: mmap.mmap, at: int) -> tuple[int, bytes] | None:
    """Where the command ends that begins *at*, and its name; None where no whole one does."""
    count = _COUNT.match(content, at)
    if count is None:
        return None
    at, name = count.end(), b""
    for number in range(int(count[1])):
        length = _LENGTH.match(content, at)
        if length is None:
            return None
        end = length.end() + int(length[1])
        if content[end : end + 2] != b"\r\n":
            return None
        if not number:
            name = content[length.end() : min(end, length.end() + 8)]
        at = end + 2
    return at, name


def _keep(data: Path, path: Path) -> Path:
    """A copy of *path* under a name that is new."""
    kept = data / "damaged"
    kept.mkdir(mode=0o700, exist_ok=True)
    number = 1
    while (copy := kept / f"{path.name}.{number}").exists():
        number += 1
    shutil.copyfile(path, copy)
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    return copy
