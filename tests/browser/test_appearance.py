"""How the page looks and speaks: language, colours, motion, and what is there before its scripts are."""

import re
from typing import Any

from playwright.async_api import expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Arrive
from tests.kit.chat_client import script

_PAPER = "getComputedStyle(document.documentElement).backgroundColor"
#: As the Chinese words have it.
_WELCOME = "想聊点什么\uff1f"
_SEEN = "addEventListener('DOMContentLoaded', () => { window.seen = document.documentElement.dataset.theme })"
_SHIFTS = """
window.shifts = 0;
new PerformanceObserver(list => {
  for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifts += shift.value;
}).observe({type: 'layout-shift', buffered: true});
"""
_CJK = re.compile(r"[\u4e00-\u9fff]")


async def test_chinese(arrive: Arrive) -> None:
    """A browser that asks for Chinese gets it everywhere, and says so to screen readers."""
    visitor = await arrive(locale="zh-CN")
    chat: ChatPage = await visitor.open()
    await expect(chat.page.locator("html")).to_have_attribute("lang", "zh-CN")
    await expect(chat.page.get_by_role("heading", name=_WELCOME)).to_be_visible()
    names: Any = await chat.evaluate("""
      [...document.querySelectorAll('button, input, textarea, select, nav, section, h1, h2')]
        .map(element => element.getAttribute('aria-label') ?? element.textContent)""")
    assert [name for name in names if name and not _CJK.search(name)] == []
    await chat.page.get_by_role("textbox", name="消息").fill(script(rate=30, length=20))
    await chat.page.get_by_role("button", name="发送").click()
    await expect(chat.page.get_by_role("button", name="停止")).to_be_visible()
    await expect(chat.reply).to_contain_text("词元")


async def test_colours(arrive: Arrive) -> None:
    """
    Dark where the system is dark, and light where it is light. What the reader chooses holds after a reload,
    from the first paint on.
    """
    papers = []
    chat: ChatPage = await (await arrive(script=_SEEN, color_scheme="light")).open()
    for scheme in ("light", "dark"):
        await chat.page.emulate_media(color_scheme=scheme)
        await chat.reload()
        papers.append(brightness(await chat.evaluate(_PAPER)))
    assert papers[0] > 220 and papers[1] < 60
    await chat.page.emulate_media(color_scheme="light")
    light = brightness(await chat.evaluate(_PAPER))
    button = chat.page.get_by_role("button", name="Colours")
    await button.click()
    await button.click()
    await expect(button).to_have_accessible_name("Colours: dark")
    assert brightness(await chat.evaluate(_PAPER)) < light
    await chat.reload()
    assert await chat.evaluate("window.seen") == "dark"
    await expect(button).to_have_accessible_name("Colours: dark")


async def test_reduced_motion(arrive: Arrive) -> None:
    """One who wants no motion sees none, not even while a reply arrives."""
    visitor = await arrive(reduced_motion="reduce")
    chat: ChatPage = await visitor.open()
    await chat.send(script(rate=20, length=1000))
    await chat.begun(3)
    moving = await chat.evaluate("""
      document.getAnimations()
        .filter(({playState}) => playState === 'running')
        .filter(({effect}) => effect.getComputedTiming().activeDuration > 50)
        .map(({animationName}) => animationName)""")
    assert moving == []
    await chat.stop_button.click()
    await chat.whole()


async def test_nothing_moves_while_it_loads(arrive: Arrive) -> None:
    """What has been painted stays where it is. A language that the page does not speak gets English."""
    visitor = await arrive(script=_SHIFTS, locale="fr-FR")
    chat: ChatPage = await visitor.open()
    await expect(chat.page.locator("html")).to_have_attribute("lang", "en")
    await expect(chat.page.get_by_role("heading", name="What shall we talk about?")).to_be_visible()
    await expect(chat.sidebar.get_by_text("Your conversations will be listed here.")).to_be_visible()
    assert await chat.evaluate("window.shifts") < 0.02


def brightness(colour: str) -> float:
    """Of an `rgb(…)`, from 0 to 255."""
    red, green, blue = (float(part) for part in re.findall(r"[\d.]+", colour)[:3])
    return (red + green + blue) / 3
