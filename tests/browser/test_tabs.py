"""One conversation in several tabs, and on several devices."""

import re
import signal

from playwright.async_api import expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor
from tests.e2e.system import System
from tests.kit.chat_client import script
from worker.backends.script import expected_text

LONG = script(rate=25, length=75)
TEXT = expected_text({"length": 75})


async def follows(other: ChatPage) -> None:
    """The reply that the first tab asked for arrives here too, while it is being written."""
    await expect(other.questions).to_have_count(1)
    await other.begun(3)
    await expect(other.stop_button).to_be_visible()


async def is_the_same(*pages: ChatPage) -> None:
    """All show the one whole reply."""
    for chat in pages:
        await chat.whole()
        await expect(chat.replies).to_have_count(1)
        assert await chat.said() == TEXT


async def test_second_tab(visitor: Visitor, chat: ChatPage, system: System) -> None:
    """A tab opened in mid-reply shows it from its beginning, and goes on with it."""
    await chat.choose_model("upstream")
    await chat.send(LONG)
    await chat.begun(5)
    # However long it takes to open, the reply is not over before.
    system.upstream.signal(signal.SIGSTOP)
    try:
        other = await visitor.open(f"/c/{chat.conversation_id}")
        await follows(other)
    finally:
        system.upstream.signal(signal.SIGCONT)
    await is_the_same(chat, other)


async def test_another_device(chat: ChatPage, arrive: Arrive, system: System) -> None:
    """A device that shows the conversation follows a turn asked elsewhere, through another gateway."""
    await chat.ask(script(length=5, seed=1))
    visitor: Visitor = await arrive(system.elsewhere)
    other = await visitor.open(f"/c/{chat.conversation_id}")
    await expect(other.questions).to_have_count(1)
    await chat.send(script(rate=75, length=75))
    await expect(other.questions).to_have_count(2, timeout=10_000)
    await other.begun(3)
    for page in (chat, other):
        await page.whole()
        assert await page.said() == TEXT


async def test_stop_from_the_other_tab(visitor: Visitor, chat: ChatPage) -> None:
    """Stop works from wherever the reply is seen, and all see that it was stopped."""
    await chat.send(script(rate=25, stall_after=12))
    await chat.begun(5)
    other = await visitor.open(f"/c/{chat.conversation_id}")
    await follows(other)
    await other.stop_button.click()
    for page in (chat, other):
        await page.whole()
        await expect(page.reply).to_contain_text("You stopped this reply.")
    assert await chat.said() == await other.said()


async def test_list_in_the_other_tab(visitor: Visitor, chat: ChatPage) -> None:
    """A new conversation is at once in the list of the other tab."""
    other = await visitor.open()
    await chat.ask("Something that was not there before")
    await expect(other.conversation("Something that was not there before")).to_be_visible()


async def test_address(visitor: Visitor, chat: ChatPage) -> None:
    """A conversation has an address of its own, and the browser's way back works."""
    await chat.ask(script(length=5, seed=1))
    first = chat.conversation_id
    await chat.page.get_by_role("button", name="New chat").click()
    await expect(chat.page).to_have_url(re.compile(r"/$"))
    await chat.ask(script(length=5, seed=2))
    assert chat.conversation_id != first
    await chat.page.go_back()
    await expect(chat.text).to_have_text(expected_text({"length": 5, "seed": 1}), timeout=5_000)
