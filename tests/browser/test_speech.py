"""The page reads a reply aloud while it is written, marks what is heard, and falls silent with Stop."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from playwright.async_api import Locator, Page, expect

from shared import keys
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import RESULTS, Arrive
from tests.kit import invariants
from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import script
from tests.kit.eventually import eventually
from tests.kit.stack import Stack

TEXT = "The **river** runs under the [bridge](https://example.org/a). The miller opens the gate. "
MARKED = """() => [...(CSS.highlights.get('headrace-spoken') ?? [])].map(String).join()"""
PLAYS = """() => navigator.mediaSession.playbackState"""


@pytest.fixture(scope="module")
def speaking(
    built_page: None, broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory, app_port: int
) -> Iterator[Stack]:
    """A gateway and a worker that speak."""
    folder, allowed = tmp_path_factory.mktemp("speech"), f"http://127.0.0.1:{app_port}"
    stack = Stack(broker, folder, database=10, speech="auto", cors_origins=allowed)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def url(speaking: Stack) -> AsyncIterator[str]:
    """The gateway's address, once somebody speaks."""
    await eventually(lambda: speaking.redis.exists(keys.SPEAKS), "somebody speaks", 20)
    able, address = speaking.redis.get(keys.SPEAKS), speaking.gateways[0].url

    async def is_known() -> bool:
        async with ClientSession() as session, session.get(f"{address}/api/heartbeat") as answer:
            return (await answer.json())["speech"] is not None

    await eventually(is_known, "the gateway knows", 20)
    yield address
    await speaking.settle()
    speaking.redis.set(keys.SPEAKS, able, px=120_000)
    assert not invariants.not_ended(speaking.redis)


def button(chat: ChatPage, name: str) -> Locator:
    """A reply's button."""
    return chat.reply.get_by_role("button", name=name)


async def test_read_aloud(arrive: Arrive, url: str) -> None:
    """Sentence after sentence, marked as it is heard, while the rest is written; media keys work."""
    visitor, read, stop = await arrive(url, locale="zh-CN"), "朗读", "停止朗读"
    page = await visitor.context.new_page()
    chat = ChatPage(page, url)
    await chat.goto()
    await page.locator("#message").fill(script(rate=6, text=TEXT * 2))
    await page.keyboard.press("Enter")
    await button(chat, read).click()
    await marked(page, "river runs under the bridge")
    assert await page.evaluate(PLAYS) == "playing"
    await expect(chat.reply).to_have_attribute("aria-busy", "true")
    await marked(page, "miller opens")
    await button(chat, stop).click()
    await expect(button(chat, read)).to_be_visible()
    assert await page.evaluate(MARKED) == ""
    assert await page.evaluate(PLAYS) == "none"


async def marked(page: Page, words: str) -> None:
    """Returns once a sentence with *words* is marked."""

    async def is_marked() -> bool:
        sentence: str = await page.evaluate(MARKED)
        return sentence != "" and words in sentence

    await eventually(is_marked, f"{words!r} is marked", 15)


async def test_stop(arrive: Arrive, url: str) -> None:
    """Stop of the reply silences it at once."""
    chat = await (await arrive(url)).open()
    await chat.send(script(rate=8, text=TEXT * 20))
    await button(chat, "Read aloud").click()
    await marked(chat.page, "")
    await expect(button(chat, "Stop reading")).to_be_visible()
    await chat.stop_button.click()
    await expect(chat.reply.locator("[data-reading]")).to_have_count(0)
    assert await chat.page.evaluate(MARKED) == ""


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "viewport"),
    [("desktop", {"width": 1280, "height": 800}), ("phone", {"width": 390, "height": 844})],
)
async def test_pictures(arrive: Arrive, url: str, name: str, viewport: dict[str, int]) -> None:
    """Of a reply that is read aloud, for those who look: both themes, a screen and a phone."""
    chat = await (await arrive(url, viewport=viewport)).open()
    await chat.send(script(rate=8, text=TEXT * 20))
    await button(chat, "Read aloud").click()
    await marked(chat.page, "river runs under the bridge")
    for scheme in ("light", "dark"):
        await chat.page.emulate_media(color_scheme=scheme)
        path = RESULTS / "screenshots" / f"speech-{name}-{scheme}.png"
        await chat.page.screenshot(path=path, animations="disabled")
    await chat.stop_button.click()


async def test_the_tutorials_call(arrive: Arrive, url: str, tutorial: str) -> None:
    """A page of another origin that knows only that call reads sound as it comes, and can play it."""
    page = (await (await arrive(url)).open()).page
    await page.goto(f"{tutorial}?server={url}")
    for kind in ("wav", "mp3", "opus"):
        heard = await page.evaluate("asked => speak(...asked)", [TEXT.replace("*", ""), kind])
        assert heard["type"].startswith("audio/")
        assert heard["reads"] > 1, kind
        assert 2 < heard["seconds"] < 9, (kind, heard)


async def test_nobody_speaks(chat: ChatPage) -> None:
    """Then there is no button."""
    await chat.ask(script(rate=0, length=5))
    await expect(chat.reply.get_by_role("button", name="Copy message")).to_be_visible()
    await expect(button(chat, "Read aloud")).to_have_count(0)
