"""Scripts as the broker gets them: what they use and no more, since all of it is made whenever they run."""

import re
from pathlib import Path
from typing import get_args

import pytest

from shared import keys, steps
from shared.settings import Settings
from shared.steps import Step

_DEFINED = re.compile(r"^local (?:function )?(\w+(?:, \w+)*)", re.MULTILINE)
_SHARED = (Path(steps.__file__).parent / "lua" / "_steps.lua").read_text()


def defined(lua: str) -> set[str]:
    """Names that stand for something in all that follows."""
    return {name for names in _DEFINED.findall(lua) for name in names.split(", ")}


@pytest.mark.parametrize("cells", [1, 8])
@pytest.mark.parametrize("step", get_args(Step))
def test_a_script_has_what_it_uses(step: Step, cells: int) -> None:
    """Whatever name of those that several scripts share it has, it also defines."""
    source = steps.source(step, Settings(cells=cells), clustered=cells > 1).decode()
    code = re.sub(r"--.*|'(?:[^'\\]|\\.)*'|\.\w+", " ", source.replace("..", " "))
    shared = defined(_SHARED) | defined(keys.lua(celled=cells > 1))
    assert shared & {*re.findall(r"\w+", code)} == shared & defined(source)


def test_an_append_makes_nothing_of_what_an_end_takes() -> None:
    """Ends are rare, and have a script of their own."""
    source = steps.source("append", Settings(), clustered=False).decode()
    assert "append_batches" in defined(source)
    assert not {"finish", "say", "activate", "QUEUE"} & defined(source)
