"""Who looks elsewhere is told that a reply has ended; when it was said stands beside it."""

from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor
from tests.kit.chat_client import script

#: As another tab in front of this one does.
_HIDE = """state => {
  Object.defineProperty(document, 'visibilityState', {value: state, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""


async def test_title_and_icon(visitor: Visitor) -> None:
    """A reply that ended while the tab was hidden marks its title and icon until it is seen."""
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
    for path in ("/icon-ended.svg", "/icon-maskable.svg", "/manifest.webmanifest"):
        assert (await chat.page.request.get(chat.url + path)).status == 200


async def test_asked_once(arrive: Arrive) -> None:
    """While a reply takes its time, in the reader's language; whatever is said, it is not asked again."""
    visitor = await arrive(locale="zh-CN")
    chat = await visitor.open()
    await chat.evaluate("void Object.defineProperty(Notification, 'permission', {get: () => 'default'})")
    box = chat.page.locator("#message")
    await box.fill(script(length=2000, rate=20))
    await box.press("Enter")
    question = chat.page.get_by_text("回复完成时要让浏览器通知你吗")
    await expect(question).to_be_visible(timeout=15_000)
    await question.get_by_role("button", name="不用").click()
    await expect(question).to_have_count(0)
    assert await chat.evaluate("localStorage.getItem('headrace.asked')") == "1"
    await chat.page.get_by_role("button", name="停止", exact=True).click()


async def test_times(visitor: Visitor) -> None:
    """Each message says when it was said."""
    chat = await visitor.open()
    await chat.ask(script(length=5))
    for message in (chat.questions.first, chat.reply):
        assert await message.locator("time").get_attribute("title")
