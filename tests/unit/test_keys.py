"""The keyspace: one place for names, told to the scripts."""

import re
from pathlib import Path

from shared import keys
from shared.cells import Cells

LUA = Path(keys.__file__).parent / "lua"
NAMES = keys.NAMES


def test_scripts_are_told_every_name() -> None:
    """Each name becomes a Lua local of the same value."""
    told = dict(re.findall(r"^local (\w+) = '([^']+)'$", keys.lua(celled=False), re.MULTILINE))
    assert told == NAMES


def test_scripts_are_told_the_names_of_a_cell() -> None:
    """Of several cells, they make up each name as Python does, from the tag of the key they are given."""
    cell = list(Cells(8))[5]
    told = {
        name: before + cell.tag + after
        for name, before, after in re.findall(
            r"^local (\w+) = '([^']+)' \.\. TAG \.\. '([^']*)'$", keys.lua(celled=True), re.MULTILINE
        )
    }
    assert told == {name: cell.key(value) for name, value in NAMES.items()}


def test_scripts_make_up_no_names() -> None:
    """No script spells a key by itself."""
    for script in LUA.glob("*.lua"):
        code = re.sub(r"--.*", "", script.read_text())
        assert not re.findall(r"['\"](?:hr|arq):", code), script.name


def test_every_script_says_what_it_takes_and_gives() -> None:
    """A script's head documents its arguments and its answer."""
    for script in LUA.glob("[!_]*.lua"):
        head = script.read_text().split("\n\n")[0]
        assert head.startswith("-- ")
        assert "-- KEYS  1 " in head, script.name
        assert "-- ARGV" in head, script.name
        assert "-- gives" in head, script.name


def test_no_name_begins_another() -> None:
    """No two kinds of keys can meet."""
    for kind, name in NAMES.items():
        assert not [other for other in NAMES if other != kind and NAMES[other].startswith(name)], kind


def test_the_keyspace_is_drawn() -> None:
    """The module's head shows every name."""
    for value in NAMES.values():
        assert value in (keys.__doc__ or "") or value.rstrip(":") in (keys.__doc__ or "")
