"""The faults on file: each can still be planted, and names tests that are there."""

import ast
from pathlib import Path

import pytest

from tests.mutants.mutant import ROOT, Mutant, load

MUTANTS = load()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_applies(mutant: Mutant) -> None:
    """Its text stands in its module once, and what takes its place is another."""
    source = (ROOT / mutant.at).read_text()
    assert mutant.planted(source) != source
    if mutant.at.endswith(".py"):
        ast.parse(mutant.planted(source))


def test_they_are_told_apart() -> None:
    """Each name is there once."""
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("test", sorted({test for mutant in MUTANTS for test in mutant.tests}))
def test_its_tests_are_there(test: str) -> None:
    """A test that was renamed notices nothing."""
    file, _, name = test.partition("::")
    source = (ROOT / file).read_text()
    if not file.endswith(".py"):
        assert name in source
    elif name:
        assert f"def {name.partition('[')[0]}(" in source


def test_every_module_of_the_core_has_one() -> None:
    """No module whose promises nobody has tried to break."""
    tried = {mutant.at for mutant in MUTANTS}
    core = [
        *(ROOT / "shared").glob("lua/*.lua"),
        *(file for folder in CORE for file in (ROOT / folder).rglob("*.py")),
    ]
    untried = {str(file.relative_to(ROOT)) for file in core if is_worth_it(file)} - tried
    assert not untried, sorted(untried)


CORE = ("shared", "worker", "gateway/relay", "gateway/edge", "gateway/dialects", "deploy/client")
#: Nothing in them promises anything by itself: names, types, start-up.
WITHOUT = {"__init__.py", "__main__.py", "state.py", "routes.py"}


def is_worth_it(file: Path) -> bool:
    """Whether it decides anything."""
    return file.name not in WITHOUT and "checkout" not in file.parts
