"""How fast the page is: what Chromium itself tells of loading it, and of a long reply that arrives."""

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count, pairwise
from statistics import median
from typing import Any

from playwright.async_api import Browser, CDPSession, expect

from gateway.pages import BUILT
from tests.browser.chat_page import ChatPage
from tests.browser.visitor import Visitor
from worker.backends.script import cut, generated_words

#: Tokens a second of the long reply.
RATE = 200
#: The most that tests take of it.
TOKENS = 2_000
#: The model that gives it.
MODEL = "novelist"
#: After this long without a long task the page is taken to be at rest.
_QUIET_MS = 2_000
_TRACED_S = 5
_SCREEN = {"width": 1280, "height": 800}

#: From here on the page remembers its long tasks (over 50 ms) and its frames.
_WATCH = """
window.tasks = [];
new PerformanceObserver(list => {
  for (const task of list.getEntries()) window.tasks.push([task.startTime, task.duration]);
}).observe({type: 'longtask', buffered: true});
"""
_COUNT_FRAMES = """
window.frames_ = [];
window.tasks.length = 0;
requestAnimationFrame(function frame(now) {
  window.frames_.push(now);
  window.counting = requestAnimationFrame(frame);
});
"""
_AT_REST = f"""async () => {{
  const end = () => window.tasks.length ? window.tasks.at(-1)[0] + window.tasks.at(-1)[1] : 0;
  while (performance.now() - end() < {_QUIET_MS}) await new Promise(done => setTimeout(done, 100));
  return end();
}}"""
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
#: JavaScript that was fetched, as it came over the wire, in bytes.
_SCRIPTS = """performance.getEntriesByType('resource')
  .filter(({name}) => name.endsWith('.js')).map(({name, encodedBodySize}) => [name, encodedBodySize])"""


@dataclass(frozen=True)
class Loading:
    """A page opened for the first time by a browser that knows nothing of it. Times in ms."""

    first_paint_ms: float
    #: When it has been painted, takes text, and no task over 50 ms follows within two seconds.
    interactive_ms: float
    #: Long tasks until then, together.
    blocked_ms: float
    #: All JavaScript that came until it was at rest, as sent.
    script_bytes: int


@dataclass(frozen=True)
class Streaming:
    """A reply of many tokens as it arrives."""

    tokens: int
    seconds: float
    #: Of the page's own thread: frames in which it could draw.
    frames_per_s: float
    #: In the worst whole second.
    worst_frames_per_s: int
    longest_frame_ms: float
    #: Frames that the compositor drew in the last seconds, by Chromium's trace; None without it.
    drawn_per_s: float | None
    long_tasks: int
    #: JavaScript heap after a garbage collection: tokens so far, and bytes.
    heap: tuple[tuple[int, float], ...]
    #: The same once another chat has been opened: what a reply leaves behind for good.
    heap_after: float
    #: Elements and texts of the document, at the same moments as `heap`.
    nodes: tuple[tuple[int, float], ...]
    #: CPU time of the page's own thread, likewise, in seconds.
    cpu_s: tuple[tuple[int, float], ...]

    @property
    def shares(self) -> list[float]:
        """Of a core's time, what the page's own thread took from one of those moments to the next."""
        moments = pairwise(self.cpu_s)
        return [(after - before) / (last - first) * RATE for (first, before), (last, after) in moments]

    @property
    def heap_kb_per_1000_tokens(self) -> float:
        """What a thousand further tokens cost while they are shown, from the first quarter on."""
        (first, before), *_, (last, after) = self.heap[1:]
        return (after - before) / 1024 / max(1, last - first) * 1000


def first_script_bytes() -> int:
    """JavaScript, gzip, without which the page cannot be used; what it asks for later is not counted."""
    index = (BUILT / "index.html").read_text()
    names = re.findall(r'(?:src|href)="/([^"]+\.js)"', index)
    return sum(len(gzip.compress((BUILT / name).read_bytes())) for name in names)


def novel(tokens: int) -> str:
    """Markdown of so many tokens: prose, lists, code and tables, as models write."""
    said: list[str] = []
    length = 0
    for chapter in count(1):
        if length >= tokens:
            break
        words = "".join(generated_words(chapter, 120)).split()
        rows = "\n".join(f"| {words[i]} | {i * 7} | {words[i + 1]} |" for i in range(0, 12, 2))
        steps = "\n".join(f"{i + 1}. {' '.join(words[i * 6 : i * 6 + 6])}" for i in range(5))
        lines = "\n".join(f"    {words[i]} = flow({i}, {words[i + 1]!r})" for i in range(0, 16, 2))
        said += [
            f"## Chapter {chapter}\n\n{' '.join(words[:70])} **{words[70]}** `{words[71]}`.\n\n",
            f"{steps}\n\n{' '.join(words[60:110])}\n\n",
            f"```python\ndef {words[3]}(level: float) -> float:\n{lines}\n    return 0.6 * level\n```\n\n",
            f"| word | count | next |\n| --- | ---: | --- |\n{rows}\n\n",
        ]
        length += sum(len(cut(part)) for part in said[-4:])
    return "".join(cut("".join(said))[:tokens])


def model(tokens: int) -> str:
    """The entry of `MODEL` in a models.toml."""
    parameters = f"{{ rate = {RATE}, text = {json.dumps(novel(tokens))} }}"
    return f'\n[models.{MODEL}]\nbackend = "scripted"\nparameters = {parameters}\n'


async def loading(browser: Browser, url: str, path: str = "/", times: int = 5) -> Loading:
    """The median of so many visits."""
    seen = [await _load(browser, url, path) for _ in range(times)]
    return Loading(
        first_paint_ms=median(each.first_paint_ms for each in seen),
        interactive_ms=median(each.interactive_ms for each in seen),
        blocked_ms=median(each.blocked_ms for each in seen),
        script_bytes=seen[-1].script_bytes,
    )


async def _load(browser: Browser, url: str, path: str) -> Loading:
    visitor = await Visitor.arrive(browser, url, viewport=_SCREEN)
    await visitor.context.add_init_script(_WATCH)
    await visitor.context.add_init_script("""
      new MutationObserver((_, observer) => {
        if (!document.getElementById('message')) return;
        window.usable = performance.now();
        observer.disconnect();
      }).observe(document, {childList: true, subtree: true});""")
    chat = await visitor.open(path)
    rest = await chat.evaluate(_AT_REST)
    painted = await chat.evaluate(_PAINTED)
    tasks = await chat.evaluate("window.tasks")
    scripts = dict(await chat.evaluate(_SCRIPTS))
    usable = await chat.evaluate("window.usable")
    await visitor.leave(None)
    return Loading(
        first_paint_ms=painted,
        interactive_ms=max(painted, usable, rest),
        blocked_ms=sum(duration for _, duration in tasks),
        script_bytes=sum(scripts.values()),
    )


async def streaming(
    browser: Browser, url: str, tokens: int, samples: int = 4, traced: bool = True
) -> Streaming:
    """
    The first *tokens* of the long reply. Memory is looked at *samples* times on the way: each collects
    garbage, and the frame that this takes counts. What is *traced* takes some seconds to be written.
    """
    visitor = await Visitor.arrive(browser, url, viewport=_SCREEN)
    await visitor.context.add_init_script(_WATCH)
    chat = await visitor.open()
    devtools = await visitor.context.new_cdp_session(chat.page)
    await devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    measured = [(0, await _metrics(devtools))]
    await chat.choose_model(MODEL)
    await chat.send("Tell me a long story.")
    await expect(chat.text).to_contain_text("Chapter 1")
    await chat.evaluate(_COUNT_FRAMES)
    for number in range(1, samples):
        await _reached(chat, tokens * number // samples)
        measured.append((tokens * number // samples, await _metrics(devtools)))
    if traced:
        # Its trace is as large as it is long, so of the end alone, where the page has most to draw.
        await _reached(chat, tokens - _TRACED_S * RATE)
        await browser.start_tracing(categories=["disabled-by-default-devtools.timeline.frame"])
    await _reached(chat, tokens)
    frames: list[float] = await chat.evaluate("cancelAnimationFrame(window.counting), window.frames_")
    long_tasks = await chat.evaluate("window.tasks.length")
    trace = json.loads(await browser.stop_tracing())["traceEvents"] if traced else []
    measured.append((tokens, await _metrics(devtools)))
    drawn = sorted(event["ts"] for event in trace if event["name"] == "DrawFrame")
    if await chat.stop_button.count():
        await chat.stop_button.click()
    await chat.whole()
    await chat.page.get_by_role("button", name="New chat").click()
    await expect(chat.replies).to_have_count(0)
    left = await _metrics(devtools)
    await visitor.leave(None)
    seconds = (frames[-1] - frames[0]) / 1000
    return Streaming(
        tokens=tokens,
        seconds=seconds,
        frames_per_s=(len(frames) - 1) / seconds,
        worst_frames_per_s=_worst_second(frames),
        longest_frame_ms=max(after - before for before, after in pairwise(frames)),
        drawn_per_s=(len(drawn) - 1) / (drawn[-1] - drawn[0]) * 1e6 if drawn else None,
        long_tasks=long_tasks,
        heap=tuple((at, metrics["JSHeapUsedSize"]) for at, metrics in measured),
        heap_after=left["JSHeapUsedSize"],
        nodes=tuple((at, metrics["Nodes"]) for at, metrics in measured),
        cpu_s=tuple((at, metrics["TaskDuration"]) for at, metrics in measured),
    )


async def _reached(chat: ChatPage, tokens: int) -> None:
    """Returns once so many tokens are due, by the rate they come at, or the reply is over."""
    await chat.page.wait_for_function(
        """due => performance.now() - window.frames_[0] >= due
          || !document.querySelector('.message.assistant[aria-busy=true]')""",
        arg=tokens / RATE * 1000,
        polling=250,
        timeout=tokens / RATE * 1000 + 60_000,
    )


async def _metrics(devtools: CDPSession) -> Mapping[str, float]:
    await devtools.send("HeapProfiler.collectGarbage")
    told: Any = await devtools.send("Performance.getMetrics")
    return {metric["name"]: metric["value"] for metric in told["metrics"]}


def _worst_second(frames: list[float]) -> int:
    """The fewest frames in any second from the first to the last."""
    seconds = int((frames[-1] - frames[0]) / 1000)
    counts = [0] * seconds
    for frame in frames[1:]:
        second = int((frame - frames[0]) / 1000)
        if second < seconds:
            counts[second] += 1
    return min(counts)
