"""Nothing written is lost: what cannot be sent yet, what waits for its turn, drafts, and what was refused."""

import re

from playwright.async_api import Page, Route, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Arrive
from tests.browser.visitor import GONE, HASTE, Visitor
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from worker.backends.script import expected_text

SENDING = "**/api/chat/stream"
#: English has its part in the tests beside these, and in `test_access.py`.
CHINESE = {"unsent": "尚未发送", "back": "撤回", "queued": "将在此回复之后发送", "send": "发送"}


async def lost(route: Route) -> None:
    """No message arrives."""
    await route.abort("connectionfailed")


async def questions(page: Page) -> list[str]:
    """The user's messages that are shown."""
    return await page.locator("article.message.user .bubble").all_inner_texts()


async def test_offline(arrive: Arrive) -> None:
    """A message written without a network says that it is not sent, and can be taken back into the box."""
    visitor, words = await arrive(locale="zh-CN"), CHINESE
    visitor.expect(GONE)
    chat = await visitor.open()
    box = chat.page.locator("#message")
    await visitor.context.set_offline(True)
    await box.fill("Are you there?")
    await box.press("Enter")
    await expect(chat.page.get_by_text(words["unsent"], exact=True)).to_be_visible()
    await expect(chat.replies).to_have_count(0)
    await box.fill("More")
    await box.press("Enter")
    await expect(chat.page.get_by_text(words["unsent"], exact=True)).to_have_count(2)
    await chat.page.get_by_role("button", name=words["back"], exact=True).last.click()
    await expect(box).to_have_value("More")
    await chat.page.get_by_role("button", name=words["back"], exact=True).click()
    await expect(box).to_have_value("More\n\nAre you there?")
    await expect(chat.questions).to_have_count(0)
    await visitor.context.set_offline(False)
    await box.press("Enter")
    await chat.whole()
    assert await questions(chat.page) == ["More\n\nAre you there?"]


async def test_parser_that_did_not_come(visitor: Visitor) -> None:
    """A reply is shown as it was written, and drawn once the network is back."""
    visitor.expect("net::ERR_FAILED")
    await visitor.context.route("**/assets/Markdown-*.js", lambda route: route.abort())
    chat = await visitor.open()
    await chat.ask(script(text="Some **bold** words.", length=20))
    await expect(chat.reply).to_contain_text("Some **bold** words.")
    await visitor.context.unroute("**/assets/Markdown-*.js")
    await visitor.context.set_offline(True)
    await visitor.context.set_offline(False)
    await expect(chat.reply.locator("strong")).to_have_text("bold")


async def test_closed_tab(visitor: Visitor, chat: ChatPage, api: ChatClient) -> None:
    """It outlives a reload and its tab, and is sent once although two tabs have it."""
    visitor.expect("net::ERR_CONNECTION_FAILED")
    visitor.expect("404")
    await visitor.context.route(SENDING, lost)
    await chat.send(script(length=5))
    unsent = chat.page.get_by_text("Not sent yet")
    await expect(unsent).to_be_visible()
    await chat.reload()
    await expect(unsent).to_be_visible()
    where = f"/c/{chat.conversation_id}"
    first, second = await visitor.open(where), await visitor.open(where)
    await chat.page.goto("about:blank")
    await visitor.context.unroute(SENDING)
    for page in (first, second):
        await expect(page.text).to_have_text(expected_text({"length": 5}), timeout=15_000)
        await page.whole()
        await expect(page.questions).to_have_count(1)
        await expect(page.page.get_by_text("Not sent yet")).to_have_count(0)
    conversation = await api.conversation(first.conversation_id)
    assert [message["role"] for message in conversation["messages"]] == ["user", "assistant"]


async def test_taken_back_in_the_other_tab(visitor: Visitor, chat: ChatPage, api: ChatClient) -> None:
    """What one tab takes back, the other does not send."""
    visitor.expect("net::ERR_CONNECTION_FAILED")
    visitor.expect("404")
    await chat.ask(script(length=3))
    other = await visitor.open(f"/c/{chat.conversation_id}")
    await visitor.context.route(SENDING, lost)
    await chat.send("Not this one")
    await expect(chat.page.get_by_text("Not sent yet")).to_be_visible()
    await expect(other.page.get_by_text("Not sent yet")).to_be_visible(timeout=10_000)
    await other.page.get_by_role("button", name="Take back").click()
    await expect(chat.questions).to_have_count(1)
    await visitor.context.unroute(SENDING)
    await chat.ask("But this one")
    conversation = await api.conversation(chat.conversation_id)
    said = [message["content"] for message in conversation["messages"] if message["role"] == "user"]
    assert said == [script(length=3), "But this one"]


async def test_sent_from_elsewhere(arrive: Arrive, api: ChatClient) -> None:
    """A page that shows another conversation says that a message is left, and sends it when it can."""
    visitor = await arrive(script=HASTE)
    chat = await visitor.open()
    visitor.expect("net::ERR_CONNECTION_FAILED")
    visitor.expect("404")
    await visitor.context.route(SENDING, lost)
    await chat.send("Left behind")
    await expect(chat.page.get_by_text("Not sent yet")).to_be_visible()
    left = chat.conversation_id
    await chat.goto("/")
    notice = chat.page.get_by_text("A message in another conversation is not sent yet.")
    await expect(notice).to_be_visible(timeout=10_000)
    await chat.page.get_by_role("button", name="Show it").click()
    # It is being sent, until that has failed once more.
    await expect(chat.page.get_by_text("Not sent yet", exact=True)).to_be_visible(timeout=15_000)
    assert chat.conversation_id == left
    await chat.goto("/")
    await visitor.context.unroute(SENDING)

    async def is_answered() -> bool:
        answer = await api.call("GET", f"/api/conversations/{left}")
        return answer.status == 200 and len(answer.body["messages"]) == 2

    await eventually(is_answered, "it is answered", timeout_s=15)
    await expect(notice).to_have_count(0, timeout=10_000)


async def test_drafts(visitor: Visitor, chat: ChatPage) -> None:
    """Each conversation keeps its own, over switching and reloading; sending ends it."""
    await chat.ask(script(length=3))
    first = chat.conversation_id
    await chat.box.fill("For the first\nin two lines")
    await chat.page.get_by_role("button", name="New chat").click()
    await expect(chat.box).to_be_empty()
    await chat.box.fill("For a new one")
    await chat.page.go_back()
    await expect(chat.box).to_have_value("For the first\nin two lines")
    await chat.reload()
    await expect(chat.box).to_have_value("For the first\nin two lines")
    await chat.go("/")
    await expect(chat.box).to_have_value("For a new one")
    await chat.box.press("Enter")
    await chat.whole()
    await chat.go("/")
    await expect(chat.box).to_be_empty()
    await chat.goto(f"/c/{first}")
    await expect(chat.box).to_have_value("For the first\nin two lines")


async def test_refused_edit(visitor: Visitor, chat: ChatPage) -> None:
    """An edit that the server refuses is open again as it was written, and is there after a reload."""
    visitor.expect("422")
    await chat.ask(script(length=3))

    async def refused(route: Route) -> None:
        error = {"code": "invalid_request", "message": "No.", "retryable": False}
        await route.fulfill(status=422, json={"error": error})

    await visitor.context.route(SENDING, refused)
    edit = chat.questions.first.get_by_role("button", name="Edit message")
    field = chat.page.get_by_role("textbox", name="Edit your message")
    await chat.questions.first.hover()
    await edit.click()
    await field.fill("Something long and dear")
    await chat.page.get_by_role("button", name="Send again").click()
    await expect(chat.failure).to_be_visible()
    await expect(field).to_have_value("Something long and dear")
    assert await chat.said() == expected_text({"length": 3})
    await chat.reload()
    await chat.questions.first.hover()
    await edit.click()
    await expect(field).to_have_value("Something long and dear")
    await chat.page.keyboard.press("Escape")
    await chat.questions.first.hover()
    await edit.click()
    await expect(field).to_have_value(script(length=3))


async def test_too_long(arrive: Arrive) -> None:
    """Too long is said before sending, with the count; what only looks long is sent."""
    visitor = await arrive(locale="zh-CN")
    chat = await visitor.open()
    box = chat.page.locator("#message")
    send = chat.page.get_by_role("button", name=CHINESE["send"], exact=True)
    # Two units each, and what the server would take away.
    await box.fill(" " + "😀" * 32_000 + "\n ")
    await expect(send).to_be_enabled()
    await expect(chat.page.locator(".too-long")).to_have_count(0)
    await box.fill("x" * 32_001)
    await expect(chat.page.locator(".too-long")).to_contain_text("32,001 个字符")
    await expect(send).to_be_disabled()
    await box.press("Enter")
    await expect(chat.questions).to_have_count(0)
    assert len(await box.input_value()) == 32_001


async def test_queue(arrive: Arrive, api: ChatClient) -> None:
    """While a reply streams Enter lets the next message wait; it can be taken back, or is answered after."""
    visitor = await arrive(locale="zh-CN")
    words = CHINESE
    chat = await visitor.open()
    box = chat.page.locator("#message")
    await box.fill(script(rate=20, length=60))
    await box.press("Enter")
    await chat.begun(3)
    for message in ("Never mind", script(length=4, seed=2)):
        await box.fill(message)
        await box.press("Enter")
    waits = chat.page.get_by_text(words["queued"], exact=True)
    await expect(waits).to_have_count(2)
    await chat.page.get_by_role("button", name=words["back"], exact=True).first.click()
    await expect(waits).to_have_count(1)
    await expect(box).to_have_value("Never mind")
    await chat.reload()
    await expect(waits).to_have_count(1)
    await expect(chat.replies).to_have_count(2, timeout=15_000)
    await expect(chat.text).to_have_text(expected_text({"length": 4, "seed": 2}))
    await expect(waits).to_have_count(0)
    conversation = await api.conversation(chat.conversation_id)
    assert [message["content"] for message in conversation["messages"]] == [
        script(rate=20, length=60),
        expected_text({"length": 60}),
        script(length=4, seed=2),
        expected_text({"length": 4, "seed": 2}),
    ]


async def test_deleted_on_another_device(visitor: Visitor, chat: ChatPage, arrive: Arrive) -> None:
    """A tab that shows the conversation says so, also one in mid-reply, and goes on from there."""
    visitor.expect("404")
    await chat.send(script(stall_after=6))
    await chat.begun(3)
    other = await (await arrive()).open(f"/c/{chat.conversation_id}")
    await other.conversation("/script").first.hover()
    await other.page.get_by_role("button", name=re.compile("^Delete")).first.click()
    await other.page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    missing = chat.page.get_by_role("note", name="This conversation is not here")
    await expect(missing).to_be_visible(timeout=10_000)
    await expect(chat.replies).to_have_count(0)
    await chat.ask("Anew")
    await expect(missing).to_have_count(0)
    await expect(chat.questions).to_have_count(1)
