"""The faults on file: each can still be planted, and names tests that are there."""

import ast
from collections import defaultdict

from tests.mutants.mutant import ROOT, load

MUTANTS = load()
ROOMS = (
    *("shared/", "shared/lua/", "worker/", "worker/backends/", "gateway/relay/", "gateway/edge/"),
    *("gateway/dialects/native/", "gateway/dialects/openai/", "gateway/dialects/ai_sdk/"),
    *("gateway/dialects/anthropic/", "gateway/dialects/ag_ui/"),
    *("deploy/client/", "gateway/web/client/"),
)


def test_they_apply() -> None:
    """Each text stands in its module once, and what takes its place is another, which can be read."""
    sources = {at: (ROOT / at).read_text() for at in {mutant.at for mutant in MUTANTS}}
    for mutant in MUTANTS:
        planted = mutant.planted(source := sources[mutant.at])
        assert planted != source, mutant.name
        if mutant.at.endswith(".py"):
            try:
                ast.parse(planted)
            except SyntaxError as error:
                raise AssertionError(f"{mutant.name}: {error}") from error


def test_they_are_told_apart() -> None:
    """Each name is there once."""
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_their_tests_are_there() -> None:
    """A test that was renamed notices nothing."""
    named = defaultdict(set)
    for test in {test for mutant in MUTANTS for test in mutant.tests}:
        file, _, name = test.partition("::")
        named[file].add(name)
    missing = []
    for file, names in named.items():
        source = (ROOT / file).read_text()
        for name in names:
            wanted = f"def {name.partition('[')[0]}(" if name and file.endswith(".py") else name
            missing += [] if wanted in source else [f"{file}::{name}"]
    assert not missing


def test_those_that_live_are_listed() -> None:
    """With the reason, where readers of the tests look."""
    rows = (ROOT / "tests/README.md").read_text().partition("## Faults that live")[2].splitlines()
    listed = {row.split("`")[1] for row in rows if row.startswith("| `")}
    assert listed == {mutant.name for mutant in MUTANTS if mutant.survives is not None}


def test_every_room_has_some() -> None:
    """No part of the core whose promises nobody has tried to break."""
    assert not [room for room in ROOMS if sum(mutant.at.startswith(room) for mutant in MUTANTS) < 3]


def test_there_are_enough() -> None:
    """And each says which promise it breaks, and who is to notice."""
    assert len(MUTANTS) >= 80
    assert all(mutant.breaks and mutant.tests for mutant in MUTANTS)
