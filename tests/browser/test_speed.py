"""How fast the page is, with a margin for a machine that also runs the server; `measure.py` gives figures."""

import pytest
from playwright.async_api import Browser

from tests.browser import figures
from tests.browser.figures import TOKENS
from tests.browser.measure import MOST_LEFT_MB, MOST_SCRIPT_KB
from tests.e2e.system import System

pytestmark = pytest.mark.timing

#: Less than what is promised on a machine of its own.
_LEAST_FRAMES_PER_S = 40
_MOST_PAINT_MS = 2_500


async def test_loads(system: System, browser: Browser) -> None:
    """A first visit is painted soon, and carries no more JavaScript than is allowed."""
    seen = await figures.loading(browser, system.url, times=1)
    assert seen.first_paint_ms < _MOST_PAINT_MS
    assert 10_000 < figures.first_script_bytes() < MOST_SCRIPT_KB * 1000
    assert seen.script_bytes > 10_000


@pytest.mark.parametrize(
    ("tokens", "most_left_mb"),
    [(TOKENS // 2, MOST_LEFT_MB - 2), pytest.param(TOKENS, MOST_LEFT_MB, marks=pytest.mark.long)],
)
async def test_streams(system: System, browser: Browser, tokens: int, most_left_mb: float) -> None:
    """Two hundred tokens a second: the page keeps drawing, and lets go of them in the end."""
    seen = await figures.streaming(browser, system.url, tokens, samples=1, traced=False)
    assert seen.frames_per_s >= _LEAST_FRAMES_PER_S, seen
    assert seen.heap_after - seen.heap[0][1] < most_left_mb * 1024**2, seen
