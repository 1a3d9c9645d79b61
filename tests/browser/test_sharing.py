"""A conversation is read by a link, live, by somebody who may do nothing else."""

from playwright.async_api import expect

from tests.browser import axe
from tests.browser.conftest import Arrive
from tests.browser.test_attachments import PHONE
from tests.browser.test_inert import _FORBIDDEN, _TRAPS
from tests.browser.visitor import Visitor
from tests.kit.chat_client import ChatClient, script

HOSTILE = '<img src=x onerror=alert(1)> [x](javascript:alert(1)) <iframe srcdoc="<script>alert(1)</script>">'


async def test_a_link(arrive: Arrive, api: ChatClient) -> None:
    """
    Made and revoked by keyboard, here in English; whoever has it reads along while the reply is written, here
    on a phone and in Chinese.
    """
    owner, guest = await arrive(), await arrive(script=_TRAPS, locale="zh-CN", **PHONE)
    guest.expect("404")
    await api.ask(script(text=HOSTILE, pictures=1), conversation_id="conv_x")
    chat = await owner.open("/c/conv_x")
    await chat.page.get_by_role("button", name="Settings").click()
    sheet = chat.page.get_by_role("dialog", name="Settings")
    await sheet.get_by_role("button", name="Make a link").press("Enter")
    address = await sheet.get_by_role("textbox", name="Link", exact=True).input_value()
    assert await axe.violations(chat) == []
    page = await guest.context.new_page()
    await page.goto(address)
    shared = type(chat)(page, guest.url)
    await expect(shared.replies).to_have_count(1)
    await expect(shared.reply.locator("img.picture, .part-picture img")).to_have_count(1)
    assert await shared.evaluate(_FORBIDDEN) == []
    assert await shared.evaluate("window.ran") == []
    await expect(page.locator("#message")).to_have_count(0)
    assert await axe.violations(shared) == []
    async with await api.send(script(length=60, rate=20), conversation_id="conv_x") as reader:
        await shared.begun()
        await reader.all()
    await shared.whole()
    secret = address.partition("#")[2]
    assert not any(secret in asked for asked in guest.asked), "it is in no address that a server hears of"
    allowed = ("/api/shared/", "/s/", "/assets/", "/theme.js", "/icon", "/manifest")
    assert all(any(part in asked for part in allowed) or asked.startswith("blob:") for asked in guest.asked)
    await sheet.get_by_role("button", name="Revoke").press("Enter")
    await expect(sheet.get_by_role("textbox", name="Link", exact=True)).to_have_count(0)
    await page.reload()
    await expect(shared.replies).to_have_count(0)
    await expect(shared.page.get_by_role("main")).to_contain_text("不")


async def test_hostile_files(visitor: Visitor, api: ChatClient, arrive: Arrive) -> None:
    """What an imported file says of parts is text: names, types and addresses of all kinds."""
    part = {"type": "image", "blob": "b" * 64, "content_type": "text/html", "name": HOSTILE.replace("/", "")}
    said = {"role": "user", "content": HOSTILE, "ts": 1, "parts": [part]}
    lost = {"type": "image", "lost": "<script>alert(1)</script>"}
    archive = {"format": "headrace.conversation", "version": 1, "title": HOSTILE}
    reply = {"role": "assistant", "content": HOSTILE, "ts": 2, "state": "done", "parts": [lost, part]}
    made = await api.call("POST", "/api/conversations/import", json={**archive, "messages": [said, reply]})
    assert made.status == 201, made
    guest = await arrive(script=_TRAPS)
    guest.expect("404")
    chat = await guest.open(f"/c/{made.body['id']}")
    await expect(chat.reply.locator(".part-lost")).to_have_count(2)
    await expect(chat.questions.last).to_contain_text("is no longer kept")
    assert await chat.evaluate(_FORBIDDEN) == []
    assert await chat.evaluate("window.ran") == []
