"""A fault on file: which text of which module becomes which, what that breaks, which tests are to notice."""

from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent


class DoesNotApply(Exception):
    """The module no longer has the text, or has it more than once: the fault must be planted anew."""


class Mutant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One `[[mutant]]` of a file in this folder."""

    name: str
    #: The module, from the project's root.
    at: str
    #: What must stand there exactly once, and what then stands in its place.
    old: str
    new: str
    #: The promise that this breaks.
    breaks: str
    #: pytest's node ids, or vitest's files with `::` and the name of a test.
    tests: list[str]
    #: Why no test notices it, where none can.
    survives: str | None = None

    @property
    def known_by(self) -> str:
        """What `--only` looks at."""
        return " ".join([self.name, self.at, *self.tests])

    def planted(self, source: str) -> str:
        """*source* with the fault. Raises `DoesNotApply`."""
        if (count := source.count(self.old)) != 1:
            raise DoesNotApply(f"{self.name}: {self.at} has its text {count} times")
        return source.replace(self.old, self.new)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    mutant: list[Mutant]


def load() -> list[Mutant]:
    """All of them, file by file."""
    mutants: list[Mutant] = []
    for file in sorted(FOLDER.glob("*.toml")):
        mutants += msgspec.toml.decode(file.read_bytes(), type=_File).mutant
    return mutants
