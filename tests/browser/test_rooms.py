"""Two people and the model in one room, each with a browser of their own, at two gateways."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.browser import axe
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import RESULTS, Arrive
from tests.e2e.system import System
from tests.kit.chat_client import script

_PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True}
_LINK = re.compile(r"/r/room_\w+#\S+\.\w+")
_TABLE = "| item | price |\n| - | - |\n| b | 20 |\n| a | 100 |\n"


async def join(page: Page, name: str, button: str = "Join") -> None:
    """Choose a name, by the keyboard."""
    await expect(page.get_by_role("textbox")).to_be_focused()
    await page.keyboard.type(name)
    await expect(page.get_by_role("button", name=button)).to_be_enabled()
    await page.keyboard.press("Enter")


async def shared(page: Page) -> str:
    """The link that lets others in, without the gateway's address."""
    await page.get_by_role("button", name="Share this room").click()
    link = page.get_by_label("Link to this room")
    await expect(link).to_have_value(_LINK)
    value = await link.input_value()
    await page.keyboard.press("Escape")
    address = urlsplit(value)
    return f"{address.path}#{address.fragment}"


async def begun(arrive: Arrive, system: System, **second: object) -> tuple[ChatPage, ChatPage]:
    """Ann has made a room, and Bob has come by her link, through another gateway."""
    ann = await (await arrive(reduced_motion="reduce")).open()
    await ann.page.get_by_role("button", name="Start a room").click()
    await join(ann.page, "Ann")
    await expect(ann.page.get_by_role("button", name="1 person here")).to_be_visible()
    link = await shared(ann.page)
    bob = await (await arrive(system.elsewhere, **{"reduced_motion": "reduce", **second})).open()
    await bob.page.goto(system.elsewhere + link)
    return ann, bob


async def test_two_people(arrive: Arrive, system: System) -> None:
    """Who is there, who types, who said what, and the reply under way, are the same for both."""
    ann, bob = await begun(arrive, system, locale="zh-CN")
    await join(bob.page, "波波", "加入")
    await expect(ann.page.get_by_role("button", name="2 people here")).to_be_visible()
    await expect(bob.page.get_by_role("button", name="2 人在线")).to_be_visible()
    await ann.page.get_by_label("Message", exact=True).fill("x")
    await expect(bob.page.get_by_text("Ann 正在输入…")).to_be_visible()
    await ann.page.get_by_label("Message", exact=True).fill(script(rate=30, length=6000))
    await ann.page.keyboard.press("Enter")
    await expect(bob.page.locator(".message.other .sender")).to_have_text("Ann")
    for each in (ann, bob):
        await expect(each.page.locator(".message.assistant .markdown")).not_to_be_empty()
    assert await axe.violations(ann) == []
    await bob.page.get_by_role("button", name="停止").click()
    await expect(ann.page.get_by_text("Stopped by 波波")).to_be_visible()
    await bob.page.reload()
    await expect(bob.page.locator(".message.assistant")).to_have_count(1)
    await expect(bob.page.get_by_text("你是 波波")).to_be_visible()
    said = [await each.page.locator(".message.assistant .markdown").inner_text() for each in (ann, bob)]
    assert said[0] == said[1] != ""
    assert await axe.violations(bob) == []


async def test_a_room_is_cleared(arrive: Arrive, system: System) -> None:
    """Its creator clears it for all; what the model says there is drawn as elsewhere, and its tables sort."""
    ann, bob = await begun(arrive, system, viewport=_PHONE["viewport"])
    await join(bob.page, "Bob")
    await expect(bob.page.get_by_role("button", name="2 people here")).to_be_visible()
    title = bob.page.get_by_role("heading", name="Room")
    assert await title.evaluate("it => it.scrollWidth <= it.clientWidth"), "it is cut"
    await bob.page.get_by_label("Message", exact=True).fill(script(text=_TABLE, length=20, rate=0))
    await bob.page.keyboard.press("Enter")
    await expect(ann.page.get_by_role("cell", name="100")).to_be_visible()
    await ann.page.get_by_role("button", name="price").click()
    await expect(ann.page.locator("td").first).to_have_text("b")
    await ann.page.get_by_role("button", name="price").click()
    await expect(ann.page.locator("td").first).to_have_text("a")
    await ann.page.get_by_role("button", name="2 people here").click()
    await expect(ann.page.get_by_text("Bob", exact=True).last).to_be_visible()
    assert await axe.violations(ann) == []
    await ann.page.get_by_role("button", name="Clear the room").click()
    await ann.page.get_by_role("button", name="Clear it for everybody").click()
    for each in (ann, bob):
        await expect(each.page.get_by_text("Nothing has been said here yet.")).to_be_visible()


@pytest.mark.long
async def test_pictures(arrive: Arrive, system: System) -> None:
    """Of a room, for those who look: both themes, a screen and a phone."""
    folder = RESULTS / "screenshots"
    ann, bob = await begun(arrive, system, **_PHONE)
    await join(bob.page, "Bob")
    await expect(ann.page.get_by_role("button", name="2 people here")).to_be_visible()
    said = ((ann, "What does the mill cost?"), (bob, script(text=_TABLE, length=20, rate=0)))
    for number, (who, words) in enumerate(said, 1):
        await who.page.get_by_label("Message", exact=True).fill(words)
        await who.page.get_by_role("button", name="Send").click()
        await expect(ann.page.locator(".message.assistant .message-actions")).to_have_count(number)
    await bob.page.get_by_label("Message", exact=True).press_sequentially("and what else", delay=200)
    await expect(ann.page.get_by_text("Bob is typing")).to_be_visible()
    for scheme in ("light", "dark"):
        for name, each in (("desktop", ann), ("phone", bob)):
            await each.page.emulate_media(color_scheme=scheme)
            await each.page.screenshot(path=folder / f"room-{name}-{scheme}.png", animations="disabled")
    await ann.page.get_by_role("button", name="Share this room").click()
    await expect(ann.page.get_by_role("button", name="Copy the link")).to_be_visible()
    await ann.page.screenshot(path=folder / "room-share.png", animations="disabled")
