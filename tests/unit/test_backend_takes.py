"""The fast way from an upstream: deltas are taken where they arrive, and nothing is lost on either way."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from shared.events import Text
from tests.kit.backend import TEN_WORDS, prompt, script, text_of
from tests.kit.upstream import FakeUpstream
from worker.backends import Delta, Finished
from worker.backends.openai_compatible import OpenAICompatible


class Full(Exception):
    """There is no room for more."""


async def test_only_the_first_and_the_last_wake_the_reader(backend: OpenAICompatible) -> None:
    """What stands between them is taken, each read at once."""
    taken: list[Delta] = []

    def take(deltas: Sequence[Delta]) -> bool:
        taken.extend(deltas)
        return True

    yielded = [deltas async for deltas in backend.stream(script(rate=200), take)]
    assert sum(isinstance(delta, Text) for deltas in yielded for delta in deltas) <= 2
    assert len(taken) >= 8
    assert yielded[-1][-1] == Finished("stop", yielded[-1][-1].usage, "stop")  # type: ignore[union-attr]


@pytest.mark.parametrize("refuses", [lambda n: True, lambda n: n % 2, lambda n: n > 3])
async def test_what_is_refused_is_yielded(backend: OpenAICompatible, refuses: Callable[[int], bool]) -> None:
    """In order, once."""
    got: list[Delta] = []
    offers = 0

    def take(deltas: Sequence[Delta]) -> bool:
        nonlocal offers
        offers += 1
        if refuses(offers):
            return False
        got.extend(deltas)
        return True

    async for deltas in backend.stream(script(rate=500), take):
        got += deltas
    assert text_of(got) == TEN_WORDS


async def test_what_a_taker_raises_ends_the_reading(
    backend: OpenAICompatible, upstream: FakeUpstream
) -> None:
    """It is raised where the reader waits, and the upstream stops."""

    def take(deltas: Sequence[Delta]) -> bool:
        raise Full

    async def reading() -> None:
        async for _ in backend.stream(script(rate=200, length=1000), take):
            pass

    with pytest.raises(Full):
        await reading()
    await upstream.until(lambda: upstream.requests[0].disconnected is not None)


async def test_a_cancelled_reader_takes_nothing_more(backend: OpenAICompatible) -> None:
    """From the moment of its cancellation on, although more has arrived in that very read."""
    taken = 0

    def take(deltas: Sequence[Delta]) -> bool:
        nonlocal taken
        taken += 1
        assert not reading.cancelling()
        if taken == 3:
            reading.cancel()
        return True

    async def read() -> None:
        async for _ in backend.stream(script(rate=200, length=1000), take):
            pass

    reading = asyncio.create_task(read())
    await asyncio.wait([reading])
    assert reading.cancelled()
    assert taken == 3


async def test_a_reader_that_does_not_come_back_holds_the_upstream_up(
    backend: OpenAICompatible, upstream: FakeUpstream
) -> None:
    """While what was refused is not dealt with, only so much is read ahead."""
    words = "x" * 10_000
    stream = backend.stream(script(text=" ".join([words] * 2000), rate=0), lambda _: False)
    await anext(stream)
    loop = asyncio.get_running_loop()
    steps, since = -1, loop.time()
    while upstream.requests[0].steps != steps or loop.time() - since < 0.2:
        if upstream.requests[0].steps != steps:
            steps, since = upstream.requests[0].steps, loop.time()
        await asyncio.sleep(0)
    assert upstream.requests[0].ended is None
    await stream.aclose()


async def test_a_stream_without_a_taker_is_yielded_whole(backend: OpenAICompatible) -> None:
    """The careful way alone gives the same."""
    assert text_of([delta async for deltas in backend.stream(prompt()) for delta in deltas]) == TEN_WORDS
