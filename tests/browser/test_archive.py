"""A conversation leaves the page as a file, and comes in again."""

import json
from pathlib import Path

from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor, refused
from tests.kit.chat_client import ChatClient, script


async def test_out_and_in(arrive: Arrive, visitor: Visitor, api: ChatClient, tmp_path: Path) -> None:
    """
    Exported as Markdown and JSON, by an English reader; imported, it is open, and what is not taken says why,
    to a Chinese one.
    """
    await api.ask(script(text="**bold** <script>alert(1)</script>"), conversation_id="conv_x")
    await api.call("PATCH", "/api/conversations/conv_x", json={"title": "Mills"})
    page = (await visitor.open("/c/conv_x")).page
    await page.get_by_role("button", name="Settings").click()
    files = {}
    for name in ("Export as Markdown", "Export as JSON"):
        async with page.expect_download() as download:
            await page.get_by_role("button", name=name).click()
        saved = await download.value
        files[saved.suggested_filename] = await saved.path()
    assert set(files) == {"Mills.md", "Mills.json"}
    assert "**bold** <script>alert(1)</script>" in files["Mills.md"].read_text()
    assert json.loads(files["Mills.json"].read_text())["format"] == "headrace.conversation"
    bad = tmp_path / "bad.json"
    bad.write_text('{"messages": []}')
    reader = await arrive(locale="zh-CN")
    reader.expect("400|413|403")
    chat = await reader.open("/c/conv_x")
    page = chat.page
    await page.get_by_role("button", name="设置").click()
    field = page.get_by_label("导入对话").and_(page.locator("input"))
    await field.set_input_files(bad)
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("不是从这里导出的对话")
    for status, words in ((413, "超过"), (403, "现在无法导入")):
        await page.route("**/import?*", refused(status), times=1)
        await field.set_input_files(files["Mills.json"])
        await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(words)
    await field.set_input_files(files["Mills.json"])
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert chat.conversation_id != "conv_x"
    await expect(chat.text.locator("strong")).to_have_text("bold")
    await expect(chat.text).to_contain_text("<script>alert(1)</script>")
