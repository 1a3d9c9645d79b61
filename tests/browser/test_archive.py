"""A conversation leaves the page as a file, and comes in again."""

import json
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.browser.visitor import refused
from tests.kit.chat_client import ChatClient, script


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_out_and_in(arrive: Arrive, api: ChatClient, tmp_path: Path, language: str) -> None:
    """Exported as Markdown and JSON; imported, it is open; what is not taken says why."""
    others, settings, markdown, as_json, bring, failed = {
        "en": (
            ("larger than", "could not be imported now"),
            "Settings",
            "Export as Markdown",
            "Export as JSON",
            "Import a conversation",
            "not a conversation",
        ),
        "zh": (
            ("超过", "现在无法导入"),
            "设置",
            "导出为 Markdown",
            "导出为 JSON",
            "导入对话",
            "不是从这里导出的对话",
        ),
    }[language]
    await api.ask(script(text="**bold** <script>alert(1)</script>"), conversation_id="conv_x")
    await api.call("PATCH", "/api/conversations/conv_x", json={"title": "Mills"})
    visitor = await arrive(locale="en-GB" if language == "en" else "zh-CN")
    visitor.expect("400|413|403")
    chat = await visitor.open("/c/conv_x")
    page = chat.page
    await page.get_by_role("button", name=settings).click()
    files = {}
    for name in (markdown, as_json):
        async with page.expect_download() as download:
            await page.get_by_role("button", name=name).click()
        saved = await download.value
        files[saved.suggested_filename] = await saved.path()
    assert set(files) == {"Mills.md", "Mills.json"}
    assert "**bold** <script>alert(1)</script>" in files["Mills.md"].read_text()
    assert json.loads(files["Mills.json"].read_text())["format"] == "headrace.conversation"
    bad = tmp_path / "bad.json"
    bad.write_text('{"messages": []}')
    field = page.get_by_label(bring).and_(page.locator("input"))
    await field.set_input_files(bad)
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(failed)
    for status, words in zip((413, 403), others, strict=True):
        await page.route("**/import?*", refused(status), times=1)
        await field.set_input_files(files["Mills.json"])
        await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(words)
    await field.set_input_files(files["Mills.json"])
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert chat.conversation_id != "conv_x"
    await expect(chat.text.locator("strong")).to_have_text("bold")
    await expect(chat.text).to_contain_text("<script>alert(1)</script>")
