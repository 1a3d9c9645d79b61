"""Who looks elsewhere is told that a reply has ended; when it was said stands beside it."""

from playwright.async_api import expect

from tests.browser import axe
from tests.browser.conftest import Arrive
from tests.browser.visitor import HASTE, Visitor
from tests.kit.chat_client import script

#: As another tab in front of this one does.
_HIDE = """state => {
  Object.defineProperty(document, 'visibilityState', {value: state, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""


async def test_title_and_icon(visitor: Visitor) -> None:
    """
    A reply that ended while the tab was hidden marks its title and icon until it is seen. Each message says
    when it was said.
    """
    chat = await visitor.open()
    await chat.send(script(length=20, rate=20))
    await chat.begun(3)
    await chat.evaluate(_HIDE, "hidden")
    await chat.whole()
    icon = chat.page.locator("link[rel=icon]")
    await expect(icon).to_have_attribute("href", "/icon-ended.svg")
    assert (await chat.page.title()).startswith("● ")
    await chat.evaluate(_HIDE, "visible")
    await expect(icon).to_have_attribute("href", "/icon.svg")
    assert not (await chat.page.title()).startswith("● ")
    for message in (chat.questions.first, chat.reply):
        assert await message.locator("time").get_attribute("title")
    for path in ("/icon-ended.svg", "/icon-maskable.svg", "/manifest.webmanifest"):
        assert (await chat.page.request.get(chat.url + path)).status == 200


async def test_it_installs(visitor: Visitor) -> None:
    """The manifest has what browsers ask for, each icon of its size; Chromium finds nothing amiss."""
    chat = await visitor.open()
    manifest = await (await chat.page.request.get(chat.url + "/manifest.webmanifest")).json()
    assert {"name", "start_url", "display", "icons"} <= manifest.keys()
    sizes = {icon["src"]: icon["sizes"] for icon in manifest["icons"] if icon["type"] == "image/png"}
    assert {"192x192", "512x512"} <= {*sizes.values()}
    for path, size in (*sizes.items(), ("/icon-180.png", "180x180")):
        body = await (await chat.page.request.get(chat.url + path)).body()
        width, height = (int.from_bytes(body[at : at + 4]) for at in (16, 20))
        assert f"{width}x{height}" == size, path
    devtools = await visitor.context.new_cdp_session(chat.page)
    errors = (await devtools.send("Page.getInstallabilityErrors"))["installabilityErrors"]
    # This profile leaves nothing behind, so nothing can be installed in it.
    assert [each["errorId"] for each in errors if each["errorId"] != "in-incognito"] == []


async def test_what_it_has_used(arrive: Arrive) -> None:
    """The sheet has the tokens of all replies; whoever comes by keyboard is told what a button is for."""
    chat, settings = await (await arrive(locale="zh-CN")).open(), "设置"
    for _ in range(2):
        await chat.page.locator("#message").fill(script(length=20))
        await chat.page.keyboard.press("Enter")
        await expect(chat.reply).to_have_attribute("aria-busy", "false")
    button = chat.page.get_by_role("button", name=settings)
    await button.focus()
    await chat.page.keyboard.press("Shift+Tab")
    await chat.page.keyboard.press("Tab")
    await expect(chat.page.locator(".tooltip")).to_have_text(settings)
    await chat.page.keyboard.press("Escape")
    await expect(chat.page.locator(".tooltip")).to_have_count(0)
    await chat.page.keyboard.press("Enter")
    await expect(chat.page.get_by_role("group", name="累计用量").locator("dd").nth(1)).to_have_text("40")
    assert await axe.violations(chat) == []


async def test_asked_once(arrive: Arrive) -> None:
    """While a reply takes its time, in the reader's language; whatever is said, it is not asked again."""
    visitor = await arrive(script=HASTE, locale="zh-CN")
    chat = await visitor.open()
    await chat.evaluate("void Object.defineProperty(Notification, 'permission', {get: () => 'default'})")
    box = chat.page.locator("#message")
    await box.fill(script(stall_after=3))
    await box.press("Enter")
    question = chat.page.get_by_text("回复完成时要让浏览器通知你吗")
    await expect(question).to_be_visible(timeout=15_000)
    await question.get_by_role("button", name="不用").click()
    await expect(question).to_have_count(0)
    assert await chat.evaluate("localStorage.getItem('headrace.asked')") == "1"
    await chat.page.get_by_role("button", name="停止", exact=True).click()
