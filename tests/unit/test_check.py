"""`headrace models check`: what its answers tell of an upstream."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from shared.events import Text
from worker import check
from worker.backends import Delta, Prompt


class Says:
    """An upstream that says *words*, whatever it is asked."""

    def __init__(self, words: str) -> None:
        self._words = words

    async def stream(self, _: Prompt) -> AsyncIterator[list[Delta]]:
        """As `Backend.stream`."""
        yield [Text(1, self._words)]


@pytest.mark.parametrize(
    ("words", "goes_on"),
    [
        (" four five six", "yes"),
        ("\nFour five six.", "yes"),
        ("one two three four five six", "no"),
        ("Sure! one two three four five six", "no"),
        ("", "no"),
    ],
)
async def test_who_goes_on(words: str, goes_on: str) -> None:
    """Who begins anew cannot continue, whatever it begins with."""
    assert await check._continues(cast(Any, Says(words)), "", 5) == goes_on
