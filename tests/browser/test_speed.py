"""How fast the page is, with a margin for a machine that also runs the server; `measure.py` gives figures."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser

from tests.browser import figures
from tests.browser.measure import MOST_LEFT_MB, MOST_SCRIPT_KB
from tests.e2e.system import System

pytestmark = pytest.mark.timing

_TOKENS = 2_000
#: Less than what is promised on a machine of its own.
_LEAST_FRAMES_PER_S = 40
_MOST_PAINT_MS = 2_500


@pytest.fixture(scope="module")
def talkative(built_page: None) -> Iterator[System]:
    """One with a model that has much to say."""
    system = System()
    try:
        system.start(further_models=figures.model(_TOKENS + 2 * figures.RATE))
        yield system
    finally:
        system.stop()


async def test_loads(talkative: System, browser: Browser) -> None:
    """A first visit is painted soon, and carries no more JavaScript than is allowed."""
    seen = await figures.loading(browser, talkative.url, times=1)
    assert seen.first_paint_ms < _MOST_PAINT_MS
    assert 10_000 < figures.first_script_bytes() < MOST_SCRIPT_KB * 1000
    assert seen.script_bytes > 10_000


async def test_streams(talkative: System, browser: Browser) -> None:
    """Two hundred tokens a second for ten seconds: the page keeps drawing, and lets go of them in the end."""
    seen = await figures.streaming(browser, talkative.url, _TOKENS, samples=2)
    assert seen.frames_per_s >= _LEAST_FRAMES_PER_S, seen
    assert seen.heap_after - seen.heap[0][1] < MOST_LEFT_MB * 1024**2, seen
