"""Two models are asked the same, side by side; one answer is kept."""

import re

import pytest
from playwright.async_api import expect

from tests.browser import axe
from tests.browser.conftest import Arrive
from tests.browser.test_attachments import PHONE
from tests.browser.visitor import refused
from tests.kit.chat_client import ChatClient, script


@pytest.mark.parametrize(
    ("language", "compare", "column", "keep", "phone"),
    [
        ("en-GB", "Compare two models from here", "Conversation", "Keep this one", False),
        ("zh-CN", "从这里比较两个模型", "对话", "保留这个", True),
    ],
    ids=["en-desktop", "zh-phone"],
)
async def test_side_by_side(
    arrive: Arrive, api: ChatClient, language: str, compare: str, column: str, keep: str, phone: bool
) -> None:
    """Both go on from one conversation; by keyboard; what is not kept is deleted; what cannot be is said."""
    await api.ask(script(text="before"), conversation_id="conv_x")
    visitor = await arrive(locale=language, **(PHONE if phone else {}))
    visitor.expect("409|500")
    chat = await visitor.open("/c/conv_x")
    page = chat.page
    for name, path, status, words in (
        (re.compile("Start a room|创建多人房间"), "**/api/rooms", 500, "room could not be made|无法创建房间"),
        (compare, "**/fork", 409, "cannot be compared here now|现在无法在此比较"),
    ):
        await page.route(path, refused(status), times=1)
        await page.get_by_role("button", name=name).press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text(re.compile(words))
    await page.get_by_role("button", name=compare).press("Enter")
    one, other = (page.get_by_role("region", name=re.compile(f"^{column} {number}")) for number in (1, 2))
    await expect(one.locator("article.assistant div.text")).to_have_text("before")
    await expect(other.locator("article.assistant div.text")).to_have_text("before")
    assert await axe.violations(chat) == []
    await other.get_by_role("combobox").select_option("plain")
    await page.locator("#message").fill(script(length=5, rate=20))
    await page.keyboard.press("Enter") if not phone else await page.locator("button[type=submit]").click()
    for each in (one, other):
        await expect(each.locator("article.assistant")).to_have_count(2)
        await expect(each.locator("article.assistant").last).to_have_attribute("aria-busy", "false")
    await expect(other.locator("article.assistant").last).to_contain_text("plain")
    assert await axe.violations(chat) == []
    await other.get_by_role("button", name=keep).press("Enter")
    await expect(one).to_have_count(0)
    await expect(chat.replies).to_have_count(2)
    assert chat.conversation_id != "conv_x"
    listed = (await api.call("GET", "/api/conversations")).body["conversations"]
    assert [each["id"] for each in listed] == [chat.conversation_id]
