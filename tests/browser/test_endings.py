"""How a reply ended is told, with what to do next, and so is a conversation that is not there."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser import axe, history
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor
from tests.e2e.system import System
from tests.kit import node_clients
from tests.kit.chat_client import ChatClient, script
from worker.backends.script import expected_text

_PHONE = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "color_scheme": "dark",
}
_KEPT = re.compile("What had been said is kept|已生成的内容已保留")


def _failed(code: str, **facts: Any) -> dict[str, Any]:
    return {"state": "failed", "error": {"code": code, "message": "It said so."}, **facts}


#: What is stored of a reply, and what is said of it in either language: title, next step, button.
_ENDINGS: list[tuple[dict[str, Any], tuple[str, str, str], tuple[str, str, str]]] = [
    (
        {"state": "done", "finish_reason": "length"},
        ("This reply was cut short", "Let the model continue", "Continue"),
        ("这条回复被截断了", "可以让模型继续", "继续"),
    ),
    (
        {"state": "done", "finish_reason": "content_filter"},
        ("A content filter stopped this reply", "Put your question another way", "Edit message"),
        ("内容过滤器中止了这条回复", "请换一种方式提问", "编辑消息"),
    ),
    (
        _failed("upstream_rejected", content=""),
        ("The model\u2019s server refused this message", "Change your message", "Edit message"),
        ("模型服务器拒绝了这条消息", "请修改消息", "编辑消息"),
    ),
    (
        _failed("upstream_unauthorized", content=""),
        (
            "The model\u2019s server does not accept this server\u2019s key",
            "Ask whoever runs this server",
            "Try again",
        ),
        ("模型服务器不接受此服务器的密钥", "请联系此服务器的管理员", "重试"),
    ),
    (
        _failed("context_length_exceeded", content=""),
        ("This conversation is too long for the model", "Start a new chat", "New chat"),
        ("此对话超出了模型可读的长度", "请开始新对话", "新对话"),
    ),
    (
        _failed("insufficient_quota", content=""),
        ("The quota at the model\u2019s server is used up", "Ask whoever runs this server", "Try again"),
        ("模型服务器的额度已用完", "请联系此服务器的管理员", "重试"),
    ),
    (
        _failed("upstream_failed", content=""),
        ("The model could not answer", "choose another model", "Try again"),
        ("模型没能回答", "选择其他模型", "重试"),
    ),
    (
        _failed("between_tokens_timeout"),
        ("The model took too long", "What had been said is kept", "Try again"),
        ("模型用时过长", "已生成的内容已保留", "重试"),
    ),
]


@pytest.mark.parametrize(("language", "device"), [(0, {}), (1, _PHONE)], ids=["en", "zh"])
async def test_endings(arrive: Arrive, system: System, language: int, device: dict[str, Any]) -> None:
    """Each has its own words, for one who comes later; only what was said is said to be kept."""
    node_clients.install()
    visitor = await arrive(locale=("en-GB", "zh-CN")[language], reduced_motion="reduce", **device)
    chat: ChatPage = await visitor.open()
    for number, (facts, *words) in enumerate(_ENDINGS):
        history.write(system.redis, f"conv_{number}", "Ends", [("Tell me", "Once upon a time")])
        history.end(system.redis, f"conv_{number}", facts)
        await (chat.goto if number == 0 else chat.go)(f"/c/conv_{number}")
        title, advice, button = words[language]
        notice = chat.reply.get_by_role("alert" if facts["state"] == "failed" else "note", name=title)
        await expect(notice).to_contain_text(advice)
        await expect(notice.get_by_role("button", name=button, exact=True)).to_be_visible()
        assert bool(_KEPT.search(await notice.inner_text())) == ("content" not in facts and "error" in facts)
        if facts in (_ENDINGS[0][0], _ENDINGS[-1][0]):
            assert await axe.violations(chat) == []


async def test_continue(visitor: Visitor, api: ChatClient) -> None:
    """Continue goes on from the reply's own text, as the same message, for every tab and after a reload."""
    whole = expected_text({"length": 60})
    await api.ask(script(length=60, rate=30), conversation_id="conv_cut", model="scripted", max_tokens=10)
    chat, other = await visitor.open("/c/conv_cut"), await visitor.open("/c/conv_cut")
    cut = chat.reply.get_by_role("note", name="This reply was cut short")
    await cut.get_by_role("button", name="Continue").click()
    begun = " ".join(whole.split()[:10])
    await expect(chat.text).to_contain_text(begun)
    for tab in (chat, other):
        await tab.begun(12)
        await expect(tab.replies).to_have_count(1)
        await expect(tab.reply.get_by_role("note")).to_have_count(0)
    await other.reload()
    for tab in (chat, other):
        await tab.whole()
        assert await tab.said() == " ".join(whole.split())
        await expect(tab.replies).to_have_count(1)
        await expect(tab.questions).to_have_count(1)
    await chat.reload()
    await expect(chat.text).to_have_text(whole)
    # It is a turn like any other.
    async with chat.page.expect_response("**/api/chat/stream") as asked:
        await chat.reply.get_by_role("button", name="Regenerate").click()
    assert (await asked.value).status == 200
    await chat.stop_button.click()


async def test_continue_stopped(visitor: Visitor, api: ChatClient) -> None:
    """Stopped before a new word, the reply is as it was, and can still go on."""
    ask = script(length=20, first_token_delay_s=1)
    await api.ask(ask, conversation_id="conv_stop", model="scripted", max_tokens=10)
    chat = await visitor.open("/c/conv_stop")
    button = chat.reply.get_by_role("button", name="Continue")
    await button.click()
    await expect(button).to_have_count(0)
    await chat.stop_button.click()
    await button.click()
    await chat.whole()
    assert await chat.said() == " ".join(expected_text({"length": 20}).split())


async def test_continue_asked(visitor: Visitor, api: ChatClient) -> None:
    """A model that cannot go on from a text is asked to, with a message; the mark of the cut stays."""
    visitor.expect("400")
    await api.ask(script(length=20), conversation_id="conv_ask", model="plain", max_tokens=10)
    chat = await visitor.open("/c/conv_ask")
    await chat.choose_model("plain")
    cut = chat.replies.first.get_by_role("note", name="This reply was cut short")
    button = cut.get_by_role("button", name="Continue")
    await button.click()
    await expect(chat.questions).to_contain_text(["/script", "Continue"])
    await chat.whole()
    await expect(cut).to_be_visible()
    await expect(button).to_have_count(0)
    await expect(chat.replies.first.locator("div.text")).to_have_text(expected_text({"length": 10}))


async def test_filtered(chat: ChatPage) -> None:
    """What a filter stopped can be asked otherwise."""
    await chat.choose_model("upstream")
    await chat.send(script(length=5, finish_reason="content_filter"))
    await chat.reply.get_by_role("button", name="Edit message").click()
    editor = chat.page.get_by_role("textbox", name="Edit your message")
    await expect(editor).to_be_focused()
    await editor.fill("Otherwise")
    await editor.press("Enter")
    await expect(chat.questions).to_contain_text(["Otherwise"])
    await chat.whole()
    await expect(chat.reply.get_by_role("note")).to_have_count(0)


async def test_not_there(visitor: Visitor, api: ChatClient) -> None:
    """An address without a conversation says so, and so does one whose conversation is deleted elsewhere."""
    visitor.expect("404")
    chat = await visitor.open("/c/conv_nothing")
    missing = chat.page.get_by_role("note", name="This conversation is not here")
    await expect(missing).to_contain_text("It was deleted, has expired or is not yours.")
    await expect(chat.page.get_by_role("heading", name="What shall we talk about?")).to_have_count(0)
    await expect(chat.page).to_have_title("This conversation is not here · Headrace")
    await missing.get_by_role("button", name="Start a new chat").click()
    await expect(missing).to_have_count(0)
    await expect(chat.page.get_by_role("heading", name="What shall we talk about?")).to_be_visible()
    await chat.ask(script(length=5))
    await expect(missing).to_have_count(0)
    await api.call("DELETE", f"/api/conversations/{chat.conversation_id}")
    await expect(missing).to_be_visible()
    await expect(chat.questions).to_have_count(0)
