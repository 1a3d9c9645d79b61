"""A conversation's own settings, and the page's language and colours."""

from playwright.async_api import expect

from tests.browser import axe
from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor
from tests.kit.chat_client import ChatClient, script


async def test_of_a_conversation(visitor: Visitor, api: ChatClient) -> None:
    """Set before the first message or later, by keyboard, never cut; other tabs and the server have them."""
    chat = await visitor.open()
    page = chat.page
    await page.get_by_role("button", name="Settings").press("Enter")
    sheet = page.get_by_role("dialog", name="Settings")
    await expect(sheet).to_be_visible()
    assert await axe.violations(chat) == []
    await sheet.get_by_label("System prompt").fill("x" * 20_001)
    await expect(sheet.get_by_text("20,001 characters: too long")).to_be_visible()
    await expect(sheet.get_by_role("button", name="Save")).to_be_disabled()
    await sheet.get_by_label("System prompt").fill("Be brief.")
    await sheet.get_by_label("Temperature").fill("0.25")
    await sheet.get_by_label("Most tokens").fill("7")
    await page.keyboard.press("Enter")
    await expect(sheet).to_have_count(0)
    await expect(page.get_by_role("button", name="Settings")).to_be_focused()
    await chat.ask(script(length=20))
    await expect(chat.reply.get_by_role("note", name="This reply was cut short")).to_be_visible()
    kept = (await api.conversation(chat.conversation_id))["conversation"]["settings"]
    assert kept == {"system_prompt": "Be brief.", "temperature": 0.25, "max_tokens": 7}
    other = await visitor.open(f"/c/{chat.conversation_id}")
    await other.choose_model("plain")
    await expect(page.get_by_role("combobox", name="Model")).to_have_value("plain")
    await page.get_by_role("button", name="Settings").click()
    await expect(sheet.get_by_label("System prompt")).to_have_value("Be brief.")
    await sheet.get_by_label("Most tokens").fill("")
    await sheet.get_by_role("button", name="Save").click()
    await chat.ask(script(length=20))
    await expect(chat.reply.get_by_role("note")).to_have_count(0)
    await expect(chat.reply.locator(".facts").first).to_contain_text("plain")
    # Another conversation has its own.
    await page.get_by_role("button", name="New chat").first.click()
    await page.get_by_role("button", name="Settings").click()
    await expect(sheet.get_by_label("System prompt")).to_have_value("")


async def test_of_the_page(arrive: Arrive) -> None:
    """Chosen at once, and kept over a reload; on a phone, which has the least room for it."""
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    chat = await (await arrive(**phone)).open()
    page = chat.page
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_label("Language").select_option("zh")
    sheet = page.get_by_role("dialog", name="设置")
    await sheet.get_by_label("颜色").select_option("dark")
    assert await axe.violations(chat) == []
    await sheet.get_by_role("button", name="取消").click()
    await chat.reload()
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await expect(page.get_by_role("button", name="设置")).to_be_visible()
