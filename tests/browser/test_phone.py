"""The page on a phone: thumbs, a small screen, no zoom."""

from typing import Any

import pytest_asyncio
from playwright.async_api import expect

from tests.browser import history
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Arrive
from tests.browser.showcase import TURNS
from tests.e2e.system import System
from tests.kit.chat_client import script
from tests.kit.eventually import eventually

_WIDTH, _HEIGHT = 390, 844
#: What a thumb needs, in CSS pixels.
_THUMB_PX = 44
#: Below this Safari zooms in on a field that is tapped.
_UNZOOMED_PX = 16

_SMALL_TARGETS = """least => [...document.querySelectorAll('button, a[href], select, input, textarea')]
  .filter(element => element.checkVisibility({opacityProperty: true, visibilityProperty: true}))
  .filter(element => !element.closest('[inert]') && !element.closest('.skip, p a, li p a'))
  .map(element => [element, (element.closest('label') ?? element).getBoundingClientRect()])
  .filter(([, box]) => box.width > 0 && Math.round(Math.min(box.width, box.height)) < least)
  .map(([element, box]) => `${element.outerHTML.slice(0, 90)} ${box.width}x${box.height}`)"""


@pytest_asyncio.fixture(loop_scope="session")
async def phone(arrive: Arrive) -> ChatPage:
    """A phone of usual size."""
    visitor = await arrive(
        viewport={"width": _WIDTH, "height": _HEIGHT}, device_scale_factor=2, has_touch=True, is_mobile=True
    )
    chat: ChatPage = await visitor.open()
    return chat


async def fits(phone: ChatPage) -> None:
    """Nothing is wider than the screen, and the message box is on it."""
    assert await phone.evaluate("document.scrollingElement.scrollWidth") <= _WIDTH
    assert await phone.evaluate("document.scrollingElement.scrollHeight") <= _HEIGHT
    box: Any = await phone.box.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= _WIDTH
    assert box["y"] + box["height"] <= _HEIGHT


async def test_fits(phone: ChatPage, system: System) -> None:
    """
    No page scrolls sideways, whatever it shows: tables, code and formulas scroll by themselves. Whatever can
    be tapped is large enough, in the thread and in the drawer; and every field's letters, for the browser to
    leave the page as it is.
    """
    await fits(phone)
    history.write(system.redis, "conv_show", "Water mills", [*TURNS, ("Long", "word" * 200)])
    await phone.goto("/c/conv_show")
    await expect(phone.replies.last).to_be_in_viewport()
    await fits(phone)
    await phone.thread.evaluate("view => { view.scrollTop = 0 }")
    await expect(phone.questions.first).to_be_in_viewport()
    await fits(phone)
    await expect(phone.thread.locator("th button")).to_have_count(3)
    await suits_thumbs(phone)
    await phone.page.get_by_role("button", name="Show conversations").tap()
    await expect(phone.conversation("Water mills")).to_be_visible()
    await suits_thumbs(phone)
    sizes = await phone.evaluate(
        """[...document.querySelectorAll('input, textarea, select')].map(field =>
          parseFloat(getComputedStyle(field).fontSize))"""
    )
    assert len(sizes) >= 3 and min(sizes) >= _UNZOOMED_PX


async def suits_thumbs(phone: ChatPage) -> None:
    """Nothing that can be tapped is too small, once all of the page has its place: parts of it come later."""
    small: list[str] = []

    async def all_are_large() -> bool:
        small[:] = await phone.evaluate(_SMALL_TARGETS, _THUMB_PX)
        return not small

    await eventually(all_are_large, lambda: f"large enough for a thumb: {small}")


async def test_drawer(phone: ChatPage) -> None:
    """The list comes over the thread, and goes when a conversation is chosen or the thread is tapped."""
    await phone.send("From the phone")
    await phone.whole()
    await expect(phone.sidebar).to_have_count(0)
    await phone.page.get_by_role("button", name="New chat").tap()
    await phone.page.get_by_role("button", name="Show conversations").tap()
    await phone.conversation("From the phone").get_by_role("link").tap()
    await expect(phone.sidebar).to_have_count(0)
    await expect(phone.questions).to_contain_text(["From the phone"])
    await phone.page.get_by_role("button", name="Show conversations").tap()
    await expect(phone.sidebar).to_be_visible()
    await phone.page.touchscreen.tap(_WIDTH - 10, _HEIGHT / 2)
    await expect(phone.sidebar).to_have_count(0)


async def test_keyboard_leaves_room(phone: ChatPage) -> None:
    """When the screen's keyboard takes half of the height, the box is above it and the end in view."""
    await phone.ask(script(length=400))
    await phone.box.tap()
    await phone.page.set_viewport_size({"width": _WIDTH, "height": _HEIGHT // 2})
    await expect(phone.box).to_be_in_viewport(ratio=1)
    await expect(phone.reply.get_by_text("400 tokens")).to_be_in_viewport()


async def test_enter_is_a_new_line(phone: ChatPage) -> None:
    """There is no other key for it; the button sends."""
    await phone.box.tap()
    await phone.page.keyboard.type("one")
    await phone.page.keyboard.press("Enter")
    await phone.page.keyboard.type("two")
    await expect(phone.box).to_have_value("one\ntwo")
    await phone.send_button.tap()
    await expect(phone.questions).to_contain_text(["one\ntwo"])
    await phone.whole()
