"""The faults on file: each can still be planted, and names tests that are there."""

import ast

import pytest

from tests.mutants.mutant import ROOT, Mutant, load

MUTANTS = load()
ROOMS = (
    *("shared/", "shared/lua/", "worker/", "worker/backends/", "gateway/relay/", "gateway/edge/"),
    *("gateway/dialects/native/", "gateway/dialects/openai/", "gateway/dialects/ai_sdk/"),
    *("gateway/dialects/anthropic/", "gateway/dialects/ag_ui/"),
    *("deploy/client/", "gateway/web/client/"),
)


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


def test_those_that_live_are_listed() -> None:
    """With the reason, where readers of the tests look."""
    rows = (ROOT / "tests/README.md").read_text().partition("## Faults that live")[2].splitlines()
    listed = {row.split("`")[1] for row in rows if row.startswith("| `")}
    assert listed == {mutant.name for mutant in MUTANTS if mutant.survives is not None}


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_some(room: str) -> None:
    """No part of the core whose promises nobody has tried to break."""
    assert sum(mutant.at.startswith(room) for mutant in MUTANTS) >= 3


def test_there_are_enough() -> None:
    """And each says which promise it breaks, and who is to notice."""
    assert len(MUTANTS) >= 80
    assert all(mutant.breaks and mutant.tests for mutant in MUTANTS)
