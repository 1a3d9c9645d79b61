"""What is known of earlier runs: what became of each fault, and how long each test takes unharmed."""

import hashlib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tests.mutants.mutant import ROOT, Mutant

_FOLDER = ROOT / "test-results"


class Note(msgspec.Struct, frozen=True):
    """What became of one fault; *print* is that of its entry, which may have been sharpened since."""

    name: str
    print: str
    word: str
    more: str
    #: The test that failed.
    by: str = ""


class Unharmed(msgspec.Struct, frozen=True):
    """A test without any fault passed, and took *seconds*; *print* is that of its file."""

    test: str
    print: str
    seconds: float


Line = TypeVar("Line", Note, Unharmed)


def print_of_mutant(mutant: Mutant) -> str:
    """Another for every other entry."""
    return _print(msgspec.json.encode(mutant))


def print_of_test(test: str) -> str:
    """Another once its file has changed."""
    return _print((ROOT / test.partition("::")[0]).read_bytes())


def _print(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


class Notes:
    """Two files of `test-results/`, whose last lines count; without *resume* those of before do not."""

    def __init__(self, *, resume: bool) -> None:
        self._of: dict[type, Path] = {
            Note: _FOLDER / "mutants.jsonl",
            Unharmed: _FOLDER / "mutants-unharmed.jsonl",
        }
        _FOLDER.mkdir(exist_ok=True)
        notes, unharmed = (self._read(Note), self._read(Unharmed)) if resume else ([], [])
        self._notes = {note.print: note for note in notes}
        self._unharmed = {(line.test, line.print): line.seconds for line in unharmed}

    def word(self, mutant: Mutant) -> str:
        """What became of *mutant* as it stands; empty if it was not tried."""
        note = self._notes.get(print_of_mutant(mutant))
        return note.word if note else ""

    def seconds(self, test: str) -> float | None:
        """How long *test* takes unharmed; None if that is not known."""
        return self._unharmed.get((test, print_of_test(test)))

    def add(self, mutant: Mutant, word: str, more: str, by: str) -> None:
        """Note what became of *mutant*."""
        self._write(note := Note(mutant.name, print_of_mutant(mutant), word, more, by))
        self._notes[note.print] = note

    def passed(self, test: str, seconds: float) -> None:
        """Note that *test* passes unharmed."""
        self._write(line := Unharmed(test, print_of_test(test), seconds))
        self._unharmed[line.test, line.print] = seconds

    def _read(self, kind: type[Line]) -> list[Line]:
        file = self._of[kind]
        lines = file.read_bytes().splitlines() if file.exists() else []
        return [msgspec.json.decode(line, type=kind) for line in lines]

    def _write(self, line: Any) -> None:
        with self._of[type(line)].open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
