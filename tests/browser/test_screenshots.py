"""Pictures of what readers see, in `test-results/screenshots/`, by `make figures`, for those who look."""

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from tests.browser import history
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import RESULTS, Arrive
from tests.browser.showcase import OTHERS, TURNS
from tests.e2e.system import System
from tests.kit.chat_client import script

pytestmark = pytest.mark.long

FOLDER = RESULTS / "screenshots"
_DESKTOP = {"viewport": {"width": 1280, "height": 800}}
_PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}
_LEAST_BYTES = 10_000


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def shown(system: System) -> None:
    """A conversation worth looking at, and others beside it."""
    for number, (title, hours_ago) in enumerate(OTHERS):
        history.write(system.redis, f"conv_{number}", title, [(title, "…")], ago_s=3600 * hours_ago)
    history.write(system.redis, "conv_show", "Power of a water mill", TURNS)


async def taken(chat: ChatPage, name: str, shows: Locator) -> Path:
    """A picture of the page, once *shows* can be seen on it and every letter has its font and colour."""
    await expect(shows).to_be_in_viewport()
    await expect(chat.page.locator(".unparsed")).to_have_count(0)
    await chat.evaluate("document.fonts.ready")
    path = FOLDER / f"{name}.png"
    await chat.page.screenshot(path=path, animations="disabled", caret="initial")
    assert path.stat().st_size > _LEAST_BYTES
    return path


async def coloured(chat: ChatPage) -> None:
    """Returns once code is highlighted and formulas are set."""
    await expect(chat.page.locator("figure.code .line span").first).to_be_attached()
    await expect(chat.page.locator(".katex").first).to_be_attached()


async def test_desktop(arrive: Arrive) -> None:
    """Light, with conversations at the side."""
    chat = await (await arrive(**_DESKTOP, color_scheme="light")).open("/c/conv_show")
    await coloured(chat)
    await taken(chat, "desktop", chat.reply.get_by_text("About ten kilowatts"))


async def test_dark(arrive: Arrive) -> None:
    """The same in the dark."""
    chat = await (await arrive(**_DESKTOP, color_scheme="dark")).open("/c/conv_show")
    await coloured(chat)
    await taken(chat, "dark", chat.reply.get_by_text("About ten kilowatts"))


async def test_phone(arrive: Arrive) -> None:
    """In the dark, and with the list of conversations."""
    chat = await (await arrive(**_PHONE, color_scheme="dark")).open("/c/conv_show")
    await coloured(chat)
    await taken(chat, "phone", chat.reply.get_by_text("About ten kilowatts"))
    await chat.page.get_by_role("button", name="Show conversations").tap()
    await taken(chat, "phone-drawer", chat.conversation("Letter to the landlord"))


async def test_chinese(arrive: Arrive) -> None:
    """A new chat, in Chinese."""
    chat = await (await arrive(**_DESKTOP, locale="zh-CN")).open()
    await taken(chat, "chinese", chat.page.locator(".welcome h2"))


async def test_failure(arrive: Arrive) -> None:
    """A reply that broke off."""
    chat = await (await arrive(**_DESKTOP)).open("/c/conv_show")
    await chat.send(script(text="It leaves by the tailrace.", fail_after=4, fail_code="upstream_invalid"))
    await taken(chat, "error", chat.failure)


async def test_streaming(arrive: Arrive) -> None:
    """A reply on its way."""
    chat = await (await arrive(**_DESKTOP)).open()
    await chat.send(script(rate=20, length=2000))
    await chat.begun(20)
    await taken(chat, "streaming", chat.stop_button)
    await chat.stop_button.click()
    await chat.whole()


_SAID = """`List<String>` is a List<String>, a<b and c>d, 3~5 times; foo \\[optional\\] bar.

שלום עולם, וזה `code` בתוך המשפט.

- אחת
- שתיים

\\[
P = \\eta \\rho g Q h
\\]

The end, from \\(a_1\\) to $5."""


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_reading(arrive: Arrive, theme: str) -> None:
    """Reasoning, directions, formulas, what is no markup, and a call."""
    chat = await (await arrive(**_DESKTOP, color_scheme=theme)).open()
    await chat.ask(script(text=_SAID, length=500, reasoning=30, rate=200, tool_call=True))
    await chat.reply.get_by_role("button", name="Reasoned for").dispatch_event("click")
    await expect(chat.page.locator(".katex-display")).to_be_attached()
    await taken(chat, f"reading-{theme}", chat.reply.get_by_role("region", name="Calls read_level"))


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_unsent(arrive: Arrive, theme: str) -> None:
    """Messages that wait for a reply, that cannot be sent yet, and one that is too long."""
    visitor = await arrive(**_DESKTOP, color_scheme=theme)
    visitor.expect("net::ERR_")
    chat = await visitor.open("/c/conv_show")
    await chat.send(script(rate=20, length=2000))
    await chat.begun(20)
    await chat.send("And how much does it cost to build one today?")
    await expect(chat.page.get_by_text("Will be sent after this reply")).to_be_visible()
    await visitor.context.route("**/api/chat/stream", lambda route: route.abort())
    await chat.send("And where could I see one?")
    await chat.box.fill("x" * 32_001)
    await taken(chat, f"unsent-{theme}", chat.page.get_by_text("Not sent yet"))
    await visitor.context.unroute("**/api/chat/stream")
    backs = chat.page.get_by_role("button", name="Take back")
    for left in range(await backs.count(), 0, -1):
        await backs.first.click()
        await expect(backs).to_have_count(left - 1)
    await chat.stop_button.click()


async def test_unsent_phone(arrive: Arrive) -> None:
    """A message without a network, in Chinese."""
    visitor = await arrive(**_PHONE, color_scheme="dark", locale="zh-CN")
    visitor.expect("net::ERR_")
    chat = await visitor.open()
    await visitor.context.set_offline(True)
    await chat.page.locator("#message").fill("水磨每天能磨多少面粉")
    await chat.page.get_by_role("button", name="发送", exact=True).tap()
    await taken(chat, "unsent-phone", chat.page.get_by_text("尚未发送"))
    await chat.page.get_by_role("button", name="撤回").tap()
    await expect(chat.page.locator("#message")).to_have_value("水磨每天能磨多少面粉")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_edges(arrive: Arrive, system: System, theme: str) -> None:
    """A reply that was cut, one that a wrong key refused, a conversation that is not there, a search."""
    visitor = await arrive(**_DESKTOP, color_scheme=theme)
    visitor.expect("404")
    chat = await visitor.open()
    for name, facts in (
        ("cut", {"finish_reason": "length"}),
        (
            "key",
            {"state": "failed", "content": "", "error": {"code": "upstream_unauthorized", "message": ""}},
        ),
    ):
        history.end(system.redis, "conv_show", facts)
        await chat.goto("/c/conv_show")
        await taken(chat, f"{name}-{theme}", chat.reply.locator("section.notice"))
    await chat.goto("/c/conv_nothing")
    await taken(chat, f"missing-{theme}", chat.page.locator("section.notice"))
    await chat.sidebar.get_by_role("searchbox").fill("headrace")
    await taken(chat, f"search-{theme}", chat.sidebar.locator("mark").first)


_LIGHT = {**_DESKTOP, "color_scheme": "light"}
_DARK_PHONE = {**_PHONE, "color_scheme": "dark"}


@pytest.mark.parametrize(("name", "options"), [("desktop", _LIGHT), ("phone", _DARK_PHONE)])
async def test_what_is_new(arrive: Arrive, system: System, name: str, options: dict[str, Any]) -> None:
    """Versions of a turn, a text that is found, settings, an error's next step, and an undo."""
    chat = await (await arrive(**options)).open("/c/conv_show")
    page = chat.page
    async with page.expect_response("**/api/chat/stream"):
        await chat.reply.get_by_role("button", name="Regenerate").dispatch_event("click")
    await chat.whole()
    versions = page.get_by_role("group", name="Versions of this turn")
    await taken(chat, f"versions-{name}", versions)
    await versions.get_by_role("button", name="Previous version").click()
    await expect(versions).to_have_text("1/2")
    await page.keyboard.press("Control+f")
    await page.get_by_role("search").get_by_role("searchbox").fill("water")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("search").get_by_role("status")).to_contain_text("1 of")
    await coloured(chat)
    await taken(chat, f"found-{name}", page.get_by_role("search"))
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Settings").click()
    await taken(chat, f"settings-{name}", page.get_by_role("dialog", name="Settings"))
    await page.keyboard.press("Escape")
    error = {"code": "context_length_exceeded", "message": "8,192 tokens at most."}
    history.end(system.redis, "conv_show", {"state": "failed", "content": "", "error": error})
    await chat.goto("/c/conv_show")
    await taken(chat, f"too-long-{name}", chat.failure)
    if name == "phone":
        await page.get_by_role("button", name="Show conversations").tap()
    await chat.conversation("Power of a water mill").hover()
    await page.get_by_role("button", name="Delete “Power of a water mill”").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await taken(chat, f"undo-{name}", page.get_by_role("button", name="Undo"))
