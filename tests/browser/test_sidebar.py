"""The list of conversations: find, rename, delete."""

import pytest_asyncio
from playwright.async_api import expect

from tests.browser import history
from tests.browser.chat_page import ChatPage
from tests.browser.visitor import Visitor
from tests.e2e.system import System
from tests.kit.chat_client import ChatClient
from tests.kit.eventually import eventually

MILL = "How does a mill work?"
#: Not cut off at the end of its line.
_MARK_IS_SEEN = """item => {
  const [mark, title] = ['mark', '.title'].map(name => item.querySelector(name).getBoundingClientRect());
  return mark.right <= title.right;
}"""
BOAT = "How does a boat float?"
#: The list comes two hundred at a time.
_MANY = 600


@pytest_asyncio.fixture(loop_scope="session")
async def filled(visitor: Visitor, system: System) -> ChatPage:
    """A page with two conversations, the second of them open."""
    for conversation_id, question, ago_s in (("conv_mill", MILL, 60), ("conv_boat", BOAT, 0)):
        history.write(system.redis, conversation_id, question, [(question, "It turns.")], ago_s)
    chat = await visitor.open("/c/conv_boat")
    await expect(chat.conversation(BOAT)).to_be_visible()
    return chat


async def test_order(chat: ChatPage) -> None:
    """The last used is first; the open one is marked."""
    for question in (MILL, BOAT):
        await chat.go("/")
        await chat.ask(question)
        await expect(chat.conversation(question)).to_be_visible()
    await expect(chat.sidebar.get_by_role("listitem")).to_have_text([BOAT, MILL])
    await expect(chat.sidebar.locator("[aria-current=page]")).to_have_text(BOAT)


async def test_open_and_search(filled: ChatPage) -> None:
    """
    A conversation is opened by a click, with its messages and its title. What is typed is looked for; without
    a hit the page says so.
    """
    await filled.conversation(MILL).get_by_role("link").click()
    await expect(filled.questions).to_contain_text([MILL])
    await expect(filled.page).to_have_title(f"{MILL} · Headrace")
    search = filled.sidebar.get_by_role("searchbox")
    await search.fill("boat")
    await expect(filled.sidebar.get_by_role("listitem")).to_have_text([BOAT])
    await search.fill("no such thing")
    await expect(filled.sidebar.get_by_text("No conversation matches.")).to_be_visible()
    await search.fill("")
    await expect(filled.sidebar.get_by_role("listitem")).to_have_count(2)


async def test_a_hit_shows_its_line(visitor: Visitor, system: System) -> None:
    """What was found is marked in the title, or in the message's line below it; Enter opens the first."""
    history.write(
        system.redis, "conv_mill", "Mills", [("How?", "First line\n谷物 Grain falls on the *stone*")]
    )
    history.write(
        system.redis, "conv_boat", "On stones " + "and words " * 9 + "and boats", [("Hi", "Hello")], 9
    )
    chat = await visitor.open()
    search, items = chat.sidebar.get_by_role("searchbox"), chat.sidebar.get_by_role("listitem")
    await search.fill("STONE")
    await expect(items).to_contain_text(["谷物 Grain falls on the *stone*", "On stones"])
    await expect(items.locator("mark")).to_have_text(["stone", "stone"])
    await search.fill("boats")
    await expect(items).to_have_count(1)
    await expect(items.locator("mark")).to_have_text("boats")
    assert await items.evaluate(_MARK_IS_SEEN)
    await search.fill("谷物")
    await search.press("Enter")
    await expect(chat.replies).to_have_count(1)
    assert chat.conversation_id == "conv_mill"
    await expect(items).to_have_count(1)
    await search.fill("stone")
    await expect(items).to_have_count(2)
    await search.press("ArrowDown")
    await chat.page.keyboard.press("ArrowDown")
    await expect(items.nth(1).get_by_role("link")).to_be_focused()
    await chat.page.keyboard.press("Enter")
    await expect(chat.questions).to_contain_text(["Hi"])


async def test_a_long_list(visitor: Visitor, system: System) -> None:
    """All can be reached by scrolling, each once, and a list that is refreshed keeps its length."""
    for number in range(_MANY):
        history.write(system.redis, f"conv_{number}", f"Number {number}", [("Hi", "Hello")], ago_s=number)
    chat = await visitor.open()
    items = chat.sidebar.get_by_role("listitem")
    await expect(items).to_have_count(200)
    for _ in range(_MANY // 200 - 1):
        count = await items.count()
        await items.last.scroll_into_view_if_needed()
        await expect(items).not_to_have_count(count)
    await expect(items).to_have_count(_MANY)
    titles = await items.locator(".title").all_text_contents()
    assert titles == [f"Number {number}" for number in range(_MANY)]
    history.write(system.redis, "conv_300", "Used again", [("Hi", "Hello")])
    await chat.evaluate("window.dispatchEvent(new Event('focus'))")
    await expect(items.first).to_have_text("Used again")
    await expect(items).to_have_count(_MANY)
    await items.last.get_by_role("link").click()
    await expect(chat.page.get_by_role("heading", level=1)).to_have_text(f"Number {_MANY - 1}")


async def test_rename(filled: ChatPage, api: ChatClient) -> None:
    """A new title is shown at once, and kept by the server."""
    await filled.conversation(BOAT).hover()
    await filled.page.get_by_role("button", name=f"Rename “{BOAT}”").click()
    await filled.page.get_by_role("textbox", name="Title").fill("Boats")
    await filled.page.keyboard.press("Enter")
    await expect(filled.conversation("Boats")).to_be_visible()
    await expect(filled.page.get_by_role("heading", level=1)).to_have_text("Boats")

    async def is_kept() -> bool:
        conversation = await api.conversation(filled.conversation_id)
        return bool(conversation["conversation"]["title"] == "Boats")

    await eventually(is_kept, "the server has the new title")


async def test_delete(filled: ChatPage, api: ChatClient) -> None:
    """Asked first; then it is gone, on the server too, and a new chat is open."""
    gone = filled.conversation_id
    await filled.conversation(BOAT).hover()
    await filled.page.get_by_role("button", name=f"Delete “{BOAT}”").click()
    dialog = filled.page.get_by_role("dialog", name="Delete this conversation?")
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(filled.conversation(BOAT)).to_be_visible()
    await filled.page.get_by_role("button", name=f"Delete “{BOAT}”").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(filled.conversation(BOAT)).to_have_count(0)
    await expect(filled.questions).to_have_count(0)
    await expect(filled.conversation(MILL)).to_be_visible()

    async def is_gone() -> bool:
        return (await api.call("GET", f"/api/conversations/{gone}")).status == 404

    await eventually(is_gone, "the server has deleted it")
