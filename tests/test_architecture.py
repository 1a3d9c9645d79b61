"""The house's rules that no other tool holds: who may import whom, and what a module may be called."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSES = ("deploy", "gateway", "shared", "worker")

#: gateway -> shared <- worker; `deploy` starts processes, and imports neither of their insides.
MAY_IMPORT = {
    "gateway": {"gateway", "shared"},
    "worker": {"worker", "shared"},
    "shared": {"shared"},
    "deploy": {"deploy", "shared"},
}
MEANINGLESS = {"base", "common", "helpers", "managers", "misc", "services", "util", "utils"}
#: Lines of a module. A noun that needs more is two nouns.
MOST_LINES = 320


def modules(houses: Sequence[str] = HOUSES) -> Iterator[Path]:
    """Every module that is ours."""
    for house in houses:
        for module in sorted((ROOT / house).rglob("*.py")):
            if "node_modules" not in module.parts:
                yield module


def imported(module: Path) -> set[str]:
    """The top-level packages that *module* imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(), filename=str(module))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("house", HOUSES)
def test_imports(house: str) -> None:
    """A package imports of ours only what it may: neither side knows the other."""
    wrong = {
        str(module.relative_to(ROOT)): strangers
        for module in modules([house])
        if (strangers := imported(module) & {*HOUSES, "tests"} - MAY_IMPORT[house])
    }
    assert not wrong


def test_names() -> None:
    """No module or folder has a name that says nothing."""
    named = {part for module in modules() for part in (*module.parts[len(ROOT.parts) : -1], module.stem)}
    assert not named & MEANINGLESS


def test_sizes() -> None:
    """A module can be read in one sitting."""
    long = {
        str(m.relative_to(ROOT)): n for m in modules() if (n := len(m.read_text().splitlines())) > MOST_LINES
    }
    assert not long


def test_docstrings() -> None:
    """Every module says what it owns."""
    silent = [str(m.relative_to(ROOT)) for m in modules() if not ast.get_docstring(ast.parse(m.read_text()))]
    assert not silent


def test_nothing_is_unpickled() -> None:
    """Nothing read from Redis, or from anywhere, is ever unpickled."""
    assert not [str(module) for module in modules() if "pickle" in imported(module)]
