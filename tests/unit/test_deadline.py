"""The three limits of an upstream request."""

import asyncio

import pytest

from shared.failures import BetweenTokensTimeout, FirstTokenTimeout, GenerationFailed, TotalTimeout
from worker.deadline import Deadline

LONG = 60.0


class Expired:
    """Waits for the limit that was passed."""

    def __init__(self) -> None:
        self._error: asyncio.Future[GenerationFailed] = asyncio.get_running_loop().create_future()

    def __call__(self, error: GenerationFailed) -> None:
        """The limit of *error* was passed."""
        assert not self._error.done(), "a deadline expires once"
        self._error.set_result(error)

    async def get(self) -> GenerationFailed:
        """What expired."""
        async with asyncio.timeout(5):
            return await self._error

    @property
    def has(self) -> bool:
        """Whether any limit was passed."""
        return self._error.done()


def deadline(
    expired: Expired, *, first: float = LONG, between: float = LONG, total: float = LONG, silence_s: float = 0
) -> Deadline:
    """A deadline of these limits, in seconds."""
    return Deadline(
        expired,
        first=(first, FirstTokenTimeout()),
        between=(between, BetweenTokensTimeout()),
        total=(total, TotalTimeout()),
        silence_s=silence_s,
    )


async def test_first_token() -> None:
    """Silence from the beginning passes the first limit."""
    with deadline(expired := Expired(), first=0.01):
        assert isinstance(await expired.get(), FirstTokenTimeout)


async def test_between_tokens() -> None:
    """Silence after the first delta passes the second, however long the first may be."""
    with deadline(expired := Expired(), between=0.01) as limits:
        limits.touch(asyncio.get_running_loop().time())
        assert isinstance(await expired.get(), BetweenTokensTimeout)


async def test_total() -> None:
    """The end is due however much comes meanwhile."""
    loop = asyncio.get_running_loop()
    with deadline(expired := Expired(), total=0.1) as limits:
        async with asyncio.timeout(5):
            while not expired.has:
                limits.touch(loop.time())
                await asyncio.sleep(0.005)
        assert isinstance(await expired.get(), TotalTimeout)


async def test_a_total_that_has_passed_already() -> None:
    """An attempt that begins too late ends at once."""
    with deadline(expired := Expired(), total=-5):
        assert isinstance(await expired.get(), TotalTimeout)


@pytest.mark.parametrize("touched", [False, True])
async def test_nothing_expires_after_the_block(touched: bool) -> None:
    """The timer lives no longer than the block."""
    loop = asyncio.get_running_loop()
    with deadline(expired := Expired(), first=0.01, between=0.01) as limits:
        if touched:
            limits.touch(loop.time())
    marker = loop.create_future()
    loop.call_later(0.03, marker.set_result, None)
    await marker
    assert not expired.has


async def test_signs_of_life() -> None:
    """They hold off the limit on silence, but not for longer than is allowed since the last delta."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with deadline(expired := Expired(), first=0.05, silence_s=0.2) as limits:
        limits.alive(began + LONG)
        assert isinstance(await expired.get(), FirstTokenTimeout)
    assert loop.time() - began >= 0.2


async def test_signs_of_life_without_allowance() -> None:
    """Where none is allowed they change nothing."""
    loop = asyncio.get_running_loop()
    with deadline(expired := Expired(), first=0.05) as limits:
        limits.alive(loop.time() + LONG)
        assert isinstance(await expired.get(), FirstTokenTimeout)
