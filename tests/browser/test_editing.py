"""Fields that are written in: input methods, phones, and where the focus is before and after."""

from itertools import product

from playwright.async_api import Locator, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Arrive
from tests.e2e.system import System
from tests.kit.chat_client import script

_PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
#: Enter as an input method's choice of a character; Safari says so by the code alone.
_COMPOSED: list[dict[str, bool | int]] = [{"isComposing": True}, {"keyCode": 229}]
_PRESS = """(field, {key, ...init}) => field.dispatchEvent(
  new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true, ...init}))"""


async def open_editor(chat: ChatPage) -> Locator:
    """The field in which the first message can be changed."""
    await chat.questions.first.hover()
    await chat.questions.first.get_by_role("button", name="Edit message").click()
    editor = chat.page.get_by_role("textbox", name="Edit your message")
    await expect(editor).to_be_focused()
    return editor


async def choose(field: Locator, *keys: str) -> None:
    """Press *keys* as an input method does, in each of its ways."""
    for key, how in product(keys, _COMPOSED):
        await field.evaluate(_PRESS, {"key": key, **how})


async def test_input_method(chat: ChatPage) -> None:
    """Its Enter and Escape choose characters: they send nothing, stop nothing and close no field."""
    await chat.box.fill("ni hao")
    await choose(chat.box, "Enter")
    await expect(chat.box).to_have_value("ni hao")
    await chat.send(script(rate=20, length=400))
    await chat.begun(3)
    await choose(chat.box, "Escape")
    await chat.begun(8)
    await chat.page.keyboard.press("Escape")
    await chat.whole()
    editor = await open_editor(chat)
    await editor.fill("ni hao")
    await choose(editor, "Enter", "Escape")
    await expect(editor).to_have_value("ni hao")
    await editor.press("Escape")
    item = chat.sidebar.get_by_role("listitem").first
    await item.hover()
    await item.get_by_role("button", name="Rename").click()
    title = chat.page.get_by_role("textbox", name="Title")
    await choose(title, "Enter", "Escape")
    await expect(title).to_be_focused()


async def test_focus_comes_back(chat: ChatPage) -> None:
    """It is where editing was begun, or after sending where the next message is written."""
    await chat.ask(script(length=5))
    button = chat.questions.first.get_by_role("button", name="Edit message")
    await (await open_editor(chat)).press("Escape")
    await expect(button).to_be_focused()
    await open_editor(chat)
    await chat.page.get_by_role("button", name="Cancel").click()
    await expect(button).to_be_focused()
    editor = await open_editor(chat)
    await editor.fill(script(length=6))
    await editor.press("Enter")
    await expect(chat.box).to_be_focused()
    await chat.whole()
    item = chat.sidebar.get_by_role("listitem").first
    for key in ("Escape", "Enter"):
        rename = item.get_by_role("button", name="Rename")
        await rename.focus()
        await chat.page.keyboard.press("Enter")
        await expect(chat.page.get_by_role("textbox", name="Title")).to_be_focused()
        await chat.page.keyboard.press(key)
        await expect(rename).to_be_focused()


async def test_focus_on_arrival(chat: ChatPage) -> None:
    """Whoever opens the page or a conversation, or goes back, can write at once."""
    await expect(chat.box).to_be_focused()
    await chat.ask(script(length=5))
    await chat.reload()
    await expect(chat.box).to_be_focused()
    await chat.page.get_by_role("button", name="New chat").click()
    await expect(chat.questions).to_have_count(0)
    await expect(chat.box).to_be_focused()
    await chat.page.go_back()
    await expect(chat.questions).to_have_count(1)
    await expect(chat.box).to_be_focused()


async def test_phone(arrive: Arrive, system: System) -> None:
    """On a phone Enter is a new line also in the edit field, and no keyboard comes up unasked."""
    chat: ChatPage = await (await arrive(**_PHONE)).open()
    await expect(chat.box).not_to_be_focused()
    await chat.send(script(length=5))
    await chat.whole()
    await chat.questions.first.get_by_role("button", name="Edit message").tap()
    editor = chat.page.get_by_role("textbox", name="Edit your message")
    await editor.fill("one")
    await editor.press("End")
    await editor.press("Enter")
    await chat.page.keyboard.type("two")
    await expect(editor).to_have_value("one\ntwo")
    await chat.page.get_by_role("button", name="Send again").tap()
    await expect(chat.questions).to_contain_text(["one\ntwo"])
    await chat.whole()
    await expect(chat.box).not_to_be_focused()
    assert await chat.evaluate("document.activeElement !== document.body")
