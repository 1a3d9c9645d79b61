"""The processes that make sound: one that dies is replaced, and none is lost."""

import asyncio
from collections import deque
from typing import ClassVar

import pytest

from shared.failures import SpeechFailed
from worker.speech import pool
from worker.speech.orders import Order, Sound
from worker.speech.pool import Pool

ORDER = Order("espeak", "en", "Hello.", 1.0, "pcm")
SOUND = Sound(b"ab", 1, [])


class Child:
    """One that does what comes next of that."""

    comes: ClassVar[deque[Sound | Exception]] = deque()

    async def ask(self, order: Order) -> Sound:
        """As `_Child.ask`."""
        said = self.comes.popleft()
        if isinstance(said, Exception):
            raise said
        return said

    async def end(self) -> None:
        """As `_Child.end`."""


@pytest.mark.parametrize(
    ("comes", "fails"),
    [
        ([EOFError()], False),
        ([EOFError(), BrokenPipeError()], True),
        ([Sound(b"", 0, [], "ValueError: no sound came of it")], True),
    ],
    ids=["dies", "dies again", "says that it cannot"],
)
async def test_one_that_fails(
    monkeypatch: pytest.MonkeyPatch, comes: list[Sound | Exception], fails: bool
) -> None:
    """It is asked once more; what cannot be made is said to be so, and the next sentence has its place."""
    monkeypatch.setattr(pool, "_Child", Child)
    monkeypatch.setattr(Child, "comes", deque([*comes, SOUND]))
    voices = Pool(1)
    if fails:
        with pytest.raises(SpeechFailed):
            await voices.make(ORDER)
    async with asyncio.timeout(2):
        assert await voices.make(ORDER) == SOUND
