"""
Measure the chat page in Chromium: `python -m tests.browser.measure [--tokens 20000]`.

It wants the machine to itself. Chromium, both gateways and the scripted model run on it together.
"""

import argparse
import asyncio
import platform

from playwright.async_api import async_playwright

from tests.browser import chromium, figures, history
from tests.browser.figures import Loading, Streaming
from tests.browser.showcase import TURNS
from tests.e2e.system import System

LEAST_FRAMES_PER_S = 50
MOST_SCRIPT_KB = 110
#: JavaScript heap that a long reply may leave behind once another chat is open.
MOST_LEFT_MB = 10
_TOKENS = 20_000
_TURNS = 1000


async def measure(system: System, tokens: int) -> list[str]:
    """The figures as lines of a Markdown table."""
    history.write(system.redis, "conv_show", "Water mills", TURNS)
    long = [(f"Question {n}", f"Reply {n}. {figures.novel(60)}") for n in range(_TURNS)]
    history.write(system.redis, "conv_long", "A long one", long)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium.executable(), args=chromium.arguments()
        )
        new = await figures.loading(browser, system.url)
        short = await figures.loading(browser, system.url, "/c/conv_show")
        thousand = await figures.loading(browser, system.url, "/c/conv_long")
        stream = await figures.streaming(browser, system.url, tokens)
        version = browser.version
        await browser.close()
    return [
        f"Chromium {version} without a window, {platform.machine()}, medians of five first visits.",
        "",
        "| opened for the first time | first paint | interactive | blocked | all JavaScript, as sent |",
        "| --- | ---: | ---: | ---: | ---: |",
        _loading("a new chat", new),
        _loading("a chat with code, a table and formulas", short),
        _loading(f"a chat of {2 * _TURNS:,} messages", thousand),
        "",
        "| budget | measured | allowed | |",
        "| --- | ---: | ---: | --- |",
        _script(figures.first_script_bytes() / 1000),
        *_streaming(stream),
    ]


def _loading(what: str, seen: Loading) -> str:
    return (
        f"| {what} | {seen.first_paint_ms:.0f} ms | {seen.interactive_ms:.0f} ms | {seen.blocked_ms:.0f} ms "
        f"| {seen.script_bytes / 1024:.0f} KB |"
    )


def _script(size: float) -> str:
    verdict = _verdict(size <= MOST_SCRIPT_KB)
    return (
        f"| JavaScript before the page can be used, gzip | {size:.0f} KB | {MOST_SCRIPT_KB} KB | {verdict} |"
    )


def _streaming(seen: Streaming) -> list[str]:
    heap = ", ".join(f"{size / 1024**2:.1f}" for _, size in seen.heap)
    nodes = ", ".join(f"{number:.0f}" for _, number in seen.nodes)
    growth, left = seen.heap_kb_per_1000_tokens, (seen.heap_after - seen.heap[0][1]) / 1024**2
    cpu = ", ".join(f"{share:.0%}" for share in seen.shares)
    at = f"{seen.tokens:,} tokens at {figures.RATE} a second"
    return [
        f"| frames a second, {at} | {seen.frames_per_s:.1f} | {LEAST_FRAMES_PER_S} "
        f"| {_verdict(seen.frames_per_s >= LEAST_FRAMES_PER_S)} |",
        f"| in the worst second | {seen.worst_frames_per_s} | | |",
        f"| frames drawn a second, in the last five | {seen.drawn_per_s or 0:.1f} | | |",
        f"| longest frame | {seen.longest_frame_ms:.0f} ms | | |",
        f"| tasks over 50 ms in {seen.seconds:.0f} s | {seen.long_tasks} | | |",
        f"| CPU of the page's own thread in each quarter, of a core | {cpu} | | |",
        f"| JavaScript heap at the start and at each quarter, MB | {heap} | | |",
        f"| that is, a thousand tokens while they are shown | {growth:.0f} KB | | |",
        f"| what is left of it once another chat is open | {left:.1f} MB | {MOST_LEFT_MB} MB "
        f"| {_verdict(left <= MOST_LEFT_MB)} |",
        f"| elements and texts, likewise | {nodes} | | |",
    ]


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "missed"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.measure", description=__doc__)
    parser.add_argument("--tokens", type=int, default=_TOKENS, help="of the reply that is watched")
    tokens = parser.parse_args().tokens
    system = System()
    try:
        system.start(workers=2, further_models=figures.model(tokens + 2 * figures.RATE))
        print("\n".join(asyncio.run(measure(system, tokens))))
    finally:
        system.stop()


if __name__ == "__main__":
    main()
