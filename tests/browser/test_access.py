"""Nobody is left out: axe finds nothing in any state, and the keyboard does everything."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import expect

from tests.browser import axe, history
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Arrive
from tests.browser.showcase import TURNS
from tests.browser.visitor import GONE
from tests.e2e.system import System
from tests.kit import node_clients
from tests.kit.chat_client import script
from tests.kit.eventually import eventually
from worker.backends.script import expected_text

_PAPER = "getComputedStyle(document.documentElement).backgroundColor"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest_asyncio.fixture(loop_scope="session")
async def themed(arrive: Arrive) -> AsyncIterator[ChatPage]:
    """The page without animations that would be caught in mid-way; `in_both_themes` looks at it."""
    node_clients.install()
    visitor = await arrive(reduced_motion="reduce")
    visitor.expect(GONE)
    yield await visitor.open()


async def in_both_themes(chat: ChatPage) -> list[str]:
    """What is wrong with the page as it is now, in the light or in the dark; then it is light again."""
    found = await axe.violations(chat)
    light = await chat.evaluate(_PAPER)
    for scheme in ("dark", "light"):
        await chat.page.emulate_media(color_scheme=scheme)

        async def has_changed(wanted: bool = scheme == "light") -> bool:
            return bool(await chat.evaluate(_PAPER) == light) == wanted

        await eventually(has_changed, f"it is {scheme}")
        if scheme == "dark":
            # Nothing but colours changes.
            found += await axe.violations(chat, axe.COLOURS)
    return found


async def test_conversation(themed: ChatPage, system: System) -> None:
    """Replies with everything that markdown has: code, tables, formulas, pictures, lists."""
    history.write(system.redis, "conv_show", "Water mills", TURNS)
    await themed.goto("/c/conv_show")
    await expect(themed.replies.last).to_be_in_viewport()
    await expect(themed.page.locator(".unparsed")).to_have_count(0)
    assert await in_both_themes(themed) == []


async def test_streaming(themed: ChatPage) -> None:
    """A reply on its way, and one before its first word."""
    await themed.send(script(rate=20, reasoning=20, first_token_delay_s=1, stall_after=8))
    await expect(themed.reply).to_contain_text("Thinking")
    assert await in_both_themes(themed) == []
    await themed.begun(5)
    assert await in_both_themes(themed) == []
    await themed.stop_button.click()
    await themed.whole()
    assert await in_both_themes(themed) == []


async def test_unsent(themed: ChatPage) -> None:
    """A message that waits for its turn, one that is not sent, and one that is too long."""
    await themed.send(script(stall_after=6))
    await themed.begun(3)
    await themed.send("Next")
    await expect(themed.page.get_by_text("Will be sent after this reply")).to_be_visible()
    await themed.page.context.set_offline(True)
    await themed.send("After that")
    await expect(themed.page.get_by_text("Not sent yet")).to_be_visible()
    await themed.box.fill("x" * 32_001)
    await expect(themed.page.get_by_text("32,001 characters")).to_be_visible()
    assert await in_both_themes(themed) == []


async def test_empty_and_failed(themed: ChatPage) -> None:
    """A new chat, and a reply that failed."""
    assert await in_both_themes(themed) == []
    await themed.send(script(length=20, fail_after=9, fail_code="upstream_invalid"))
    await expect(themed.failure).to_be_visible()
    assert await in_both_themes(themed) == []


async def test_dialogs_and_editing(themed: ChatPage) -> None:
    """Each dialog that is open, a message being edited, and a title."""
    await themed.ask("To be deleted")
    await themed.page.get_by_role("button", name="Keyboard shortcuts").click()
    await expect(themed.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    assert await in_both_themes(themed) == []
    await themed.page.keyboard.press("Escape")
    await themed.conversation("To be deleted").hover()
    await themed.page.get_by_role("button", name="Delete “To be deleted”").click()
    await expect(themed.page.get_by_role("dialog", name="Delete this conversation?")).to_be_visible()
    assert await in_both_themes(themed) == []
    await themed.page.keyboard.press("Escape")
    await themed.questions.first.hover()
    await themed.questions.first.get_by_role("button", name="Edit message").click()
    assert await in_both_themes(themed) == []
    await themed.page.keyboard.press("Escape")
    await themed.conversation("To be deleted").hover()
    await themed.page.get_by_role("button", name="Rename “To be deleted”").click()
    assert await in_both_themes(themed) == []


async def test_drawer(arrive: Arrive) -> None:
    """A phone, with the list of conversations over the thread and without."""
    node_clients.install()
    visitor = await arrive(**PHONE, reduced_motion="reduce")
    chat = await visitor.open()
    assert await axe.violations(chat) == []
    await chat.page.get_by_role("button", name="Show conversations").click()
    await expect(chat.sidebar).to_be_visible()
    assert await axe.violations(chat) == []


async def test_keyboard_alone(chat: ChatPage) -> None:
    """Without a mouse: write, send, stop, copy, find another conversation, open it, delete it."""
    keys = chat.page.keyboard
    await keys.press("Shift+Escape")
    await expect(chat.box).to_be_focused()
    await keys.type("A first chat")
    await keys.press("Enter")
    await chat.whole()
    await keys.press("Control+Shift+O")
    await expect(chat.questions).to_have_count(0)
    await expect(chat.box).to_be_focused()
    await keys.type(script(rate=20, length=2000))
    await keys.press("Enter")
    await chat.begun(3)
    await expect(chat.box).to_be_focused()
    await keys.press("Escape")
    await chat.whole()
    await expect(chat.reply).to_contain_text("You stopped this reply.")
    await keys.press("Control+K")
    await expect(chat.sidebar.get_by_role("searchbox")).to_be_focused()
    await keys.type("first")
    await expect(chat.sidebar.get_by_role("listitem")).to_have_count(1)
    await keys.press("Tab")
    await expect(chat.sidebar.get_by_role("link")).to_be_focused()
    await keys.press("Enter")
    await expect(chat.questions).to_contain_text(["A first chat"])
    await chat.page.get_by_role("button", name="Delete “A first chat”").focus()
    await keys.press("Enter")
    await expect(chat.page.get_by_role("dialog")).to_be_visible()
    await keys.press("Escape")
    await expect(chat.page.get_by_role("dialog")).to_have_count(0)
    await expect(chat.page.get_by_role("button", name="Delete “A first chat”")).to_be_focused()


async def test_tab_order(chat: ChatPage) -> None:
    """Everything that a mouse can reach can be reached with Tab, and shows that it has the focus."""
    await chat.ask("Hello")
    await expect(chat.conversation("Hello")).to_be_visible()
    names: list[str] = []
    for _ in range(40):
        await chat.page.keyboard.press("Tab")
        seen = await chat.evaluate("""() => {
          const {activeElement: element} = document;
          const {outlineStyle, outlineWidth, boxShadow} = getComputedStyle(element);
          const isShown = outlineStyle !== 'none' && outlineWidth !== '0px' || boxShadow !== 'none';
          const name = element.getAttribute('aria-label') ?? element.textContent.trim();
          return [name || element.tagName, isShown || element.matches('body, textarea, input')];
        }""")
        names.append(seen[0])
        assert seen[1], f"{seen[0]} does not show that it has the focus"
    reached = " ".join(names)
    for name in ("New chat", "Rename “Hello”", "Delete “Hello”", "Copy", "Regenerate", "Edit", "Message"):
        assert name in reached


async def test_announcements(chat: ChatPage) -> None:
    """A reply is told politely and in whole sentences; the text itself is in no live region."""
    await chat.send(script(rate=15, length=45))
    status = chat.page.locator("[role=status][aria-live=polite]")
    await expect(status).to_contain_text("Reply started")
    sentences = expected_text({"length": 45})
    await expect(status).to_contain_text(sentences.split(".")[0] + ".", timeout=10_000)
    await chat.whole()
    await expect(status).to_contain_text("Reply finished")
    loud = "ancestor-or-self::*[@aria-live or @role='status' or @role='log']"
    assert await chat.text.locator(f"xpath={loud}").count() == 0
