"""The processes that make sound: each sentence is made once, whatever becomes of them."""

import asyncio
from typing import Any

import pytest

from shared.failures import SpeechFailed
from shared.speech import SAMPLE_RATE
from worker.speech import child, engines, pool
from worker.speech.orders import Order, Sound
from worker.speech.pool import Pool


def order(words: str, samples: bytes = b"") -> Order:
    """To say *words*."""
    return Order("none", "en", words, 1, "pcm", samples)


class Process:
    """Answers in its order, as a pipe does; dies, and fails, when it is told to."""

    ended = 0

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self._waiting: list[str] = []

    async def ask(self, order: Order) -> Sound:
        """What was asked first."""
        self._waiting.append(order.words)
        await self.goes_on.wait()
        words = self._waiting.pop(0)
        if words.startswith("dies") and Process.ended < int(words[-1]):
            raise EOFError
        return Sound(words.encode(), 0, [], "no voice" if words == "fails" else "")

    async def end(self) -> None:
        """It is replaced."""
        Process.ended += 1
        self._waiting.clear()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """With one process."""
    monkeypatch.setattr(pool, "_Child", Process)
    monkeypatch.setattr(Process, "ended", 0)
    return Pool(1)


async def test_a_process_that_dies(made: Pool) -> None:
    """It is replaced once; a sentence that ends it twice has failed, and the next one has its turn."""
    assert (await made.make(order("dies 1"))).data == b"dies 1"
    Process.ended = 0
    for words in ("dies 2", "fails"):
        with pytest.raises(SpeechFailed):
            await made.make(order(words))
    async with asyncio.timeout(5):
        assert (await made.make(order("next"))).data == b"next"
    await made.close()


async def test_nobody_waits_any_more(made: Pool) -> None:
    """What was asked is made to its end: the next one is not given it."""
    process: Any = made._children[0]
    process.goes_on.clear()
    first = asyncio.create_task(made.make(order("first")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    second = asyncio.create_task(made.make(order("second")))
    await asyncio.sleep(0)
    process.goes_on.set()
    assert (await second).data == b"second"
    assert Process.ended == 0
    await made.close()


def test_how_long_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """In milliseconds, by its samples; what cannot be made is said, and not raised."""
    assert child.make(order("", bytes(2 * SAMPLE_RATE))).ms == 1000

    def speak(*_: Any) -> bytes:
        raise KeyError("a word")

    monkeypatch.setattr(engines, "speak", speak)
    assert child.make(Order("espeak", "en", "words", 1, "pcm")).error == "KeyError: 'a word'"
