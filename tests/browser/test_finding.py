"""A text is found wherever it stands: from the list of conversations, and within one, drawn or not."""

from playwright.async_api import expect

from tests.browser import axe, history
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor
from tests.e2e.system import System
from tests.kit.eventually import eventually
from worker.backends.script import generated_words

#: Whether what is marked as current says so, and is in the view.
_SHOWN = """text => {
  const [range] = CSS.highlights.get('headrace-current') ?? [];
  const view = document.querySelector('.scroll-view').getBoundingClientRect();
  const at = range?.getBoundingClientRect();
  const isIt = range?.toString().toLowerCase() === text;
  return isIt && at.height > 0 && at.top > view.top && at.bottom < view.bottom;
}"""
_PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


async def shown(chat: ChatPage, text: str) -> None:
    """Returns once the place that is found is marked, and seen."""

    async def seen() -> bool:
        return bool(await chat.evaluate(_SHOWN, text))

    await eventually(seen, f"{text} is shown", 10)


def write(system: System) -> None:
    """A conversation of hundreds of messages and a very long one, with one word in three places."""
    words = "".join(generated_words(1, 6000))
    turns = [(f"Question {number}", f"Reply {number}. " + "More. " * 30) for number in range(200)]
    turns[20] = ("Where is the albatross?", "Far away.")
    turns[60] = ("Tell me all", f"{words[:24000]} the ALBATROSS sleeps {words[24000:]}")
    turns[61] = ("And?", "An albatross flies.")
    history.write(system.redis, "conv_long", "Long", turns)


async def test_a_hit_opens_at_its_message(arrive: Arrive, system: System) -> None:
    """
    A hit in the list opens the conversation at the message that was found, with the text marked. On a phone,
    in Chinese.
    """
    write(system)
    chat = await (await arrive(locale="zh-CN", **_PHONE)).open()
    tab = chat.page
    await tab.get_by_role("button", name="显示对话列表").click()
    search = tab.locator(".sidebar input[type=search]")
    await search.fill("albatross?")
    await search.press("Enter")
    await tab.locator("article[data-found]").wait_for()
    bar = tab.get_by_role("search")
    field = bar.get_by_role("searchbox", name="在此对话中查找")
    await expect(field).to_have_value("albatross?")
    await expect(tab.locator("article[data-found]")).to_be_in_viewport()
    await shown(chat, "albatross?")
    await field.fill("albatross")
    await field.press("Enter")
    await shown(chat, "albatross")
    await expect(bar.get_by_role("status")).to_have_text("第 1 处\uff0c共 3 处")
    assert await axe.violations(chat) == []


async def test_within_a_conversation(visitor: Visitor, system: System) -> None:
    """Ctrl+F looks through all of it, also what is not drawn: messages far away, and parts of a long one."""
    write(system)
    chat = await visitor.open("/c/conv_long")
    await expect(chat.thread.get_by_text("Reply 199.")).to_be_in_viewport()
    await chat.page.keyboard.press("Control+f")
    bar = chat.page.get_by_role("search")
    field, told = bar.get_by_role("searchbox", name="Find in this conversation"), bar.get_by_role("status")
    await expect(field).to_be_focused()
    await field.fill("albatross")
    await expect(told).to_have_text("3 found")
    for number in (1, 2, 3, 1):
        await field.press("Enter")
        await expect(told).to_have_text(f"{number} of 3")
        await shown(chat, "albatross")
    await field.press("Shift+Enter")
    await expect(told).to_have_text("3 of 3")
    await shown(chat, "albatross")
    await field.fill("nowhere at all")
    await expect(told).to_have_text("Not found")
    await field.press("Escape")
    await expect(bar).to_have_count(0)
    assert await chat.evaluate("CSS.highlights.size") == 0
    await expect(chat.thread).to_be_focused()
