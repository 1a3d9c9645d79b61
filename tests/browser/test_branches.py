"""Every version of a turn can be shown again, and a deletion undone."""

from playwright.async_api import Route, expect

from tests.browser import axe, history
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor
from tests.e2e.system import System
from tests.kit.chat_client import ChatClient, script


def say(text: str) -> str:
    """A message that is answered with *text*."""
    return script(text=text)


async def edit(chat: ChatPage, number: int, text: str) -> None:
    """Ask *text* in place of question *number*, and read the reply to its end."""
    await chat.questions.nth(number).hover()
    await chat.questions.nth(number).get_by_role("button", name="Edit message").click()
    editor = chat.page.get_by_role("textbox", name="Edit your message")
    await editor.fill(text)
    async with chat.page.expect_response("**/api/chat/stream"):
        await editor.press("Enter")
    await chat.whole()


async def test_versions_of_a_turn(visitor: Visitor, api: ChatClient) -> None:
    """An edit keeps what it replaces, with all that followed; the keyboard goes between, in every tab."""
    for text in ("one", "two", "three"):
        await api.ask(say(text), conversation_id="conv_b")
    chat, other = await visitor.open("/c/conv_b"), await visitor.open("/c/conv_b")
    await expect(chat.page.get_by_role("group", name="Versions of this turn")).to_have_count(0)
    await edit(chat, 1, say("dos"))
    texts = chat.replies.locator("div.text")
    await expect(texts).to_have_text(["one", "dos"])
    versions = chat.page.get_by_role("group", name="Versions of this turn")
    await expect(versions).to_have_text("2/2")
    await versions.get_by_role("button", name="Previous version").press("Enter")
    await expect(texts).to_have_text(["one", "two", "three"])
    await expect(other.replies.locator("div.text")).to_have_text(["one", "two", "three"])
    await expect(versions).to_have_text("1/2")
    assert await axe.violations(chat) == []
    await chat.reload()
    await expect(texts).to_have_text(["one", "two", "three"])
    await versions.get_by_role("button", name="Next version").click()
    await expect(texts).to_have_text(["one", "dos"])
    # The model goes on from what is shown.
    await chat.ask(say("tres"))
    await expect(texts).to_have_text(["one", "dos", "tres"])


async def test_an_earlier_turn_regenerated(visitor: Visitor, api: ChatClient) -> None:
    """Any reply can be asked for again; while it is written nobody can go elsewhere."""
    await api.ask(script(length=300, rate=100), conversation_id="conv_r", max_tokens=3)
    await api.ask(say("two"), conversation_id="conv_r")
    chat = await visitor.open("/c/conv_r")
    await chat.replies.first.hover()
    await chat.replies.first.get_by_role("button", name="Regenerate").click()
    await chat.begun(6)
    await expect(chat.replies).to_have_count(1)
    await chat.stop_button.click()
    await chat.whole()
    versions = chat.page.get_by_role("group", name="Versions of this turn")
    await expect(versions).to_have_text("2/2")
    await versions.get_by_role("button", name="Previous version").click()
    await expect(chat.replies).to_have_count(2)
    await expect(chat.text).to_have_text("two")


async def test_on_a_phone(arrive: Arrive, system: System, api: ChatClient) -> None:
    """In Chinese, by touch."""
    first = await api.ask(say("一"), conversation_id="conv_p")
    await api.ask(say("二"), conversation_id="conv_p", replaces=first.generation_id)
    visitor = await arrive(
        locale="zh-CN",
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        color_scheme="dark",
    )
    chat = await visitor.open("/c/conv_p")
    versions = chat.page.get_by_role("group", name="此轮的各个版本")
    await expect(versions).to_have_text("2/2")
    await versions.get_by_role("button", name="上一个版本").tap()
    await expect(chat.text).to_have_text("一")
    assert await axe.violations(chat) == []


async def test_undo(visitor: Visitor, system: System) -> None:
    """What was deleted comes back for ten seconds, and is open again if it was; what was not says so."""
    visitor.expect("403")
    history.write(system.redis, "conv_u", "Mills", [("How?", "Slowly")])
    chat = await visitor.open("/c/conv_u")

    async def delete() -> None:
        await chat.conversation("Mills").hover()
        await chat.page.get_by_role("button", name="Delete “Mills”").click()
        await chat.page.get_by_role("dialog").get_by_role("button", name="Delete").click()

    await delete()
    told = chat.page.get_by_role("status").filter(has_text="“Mills” was deleted.")
    await expect(chat.conversation("Mills")).to_have_count(0)
    await expect(chat.questions).to_have_count(0)
    assert await axe.violations(chat) == []
    await told.get_by_role("button", name="Undo").click()
    await expect(told).to_have_count(0)
    await expect(chat.conversation("Mills")).to_be_visible()
    await expect(chat.text).to_have_text("Slowly")
    assert chat.conversation_id == "conv_u"

    async def refuse(route: Route) -> None:
        await (route.fulfill(status=403) if route.request.method == "DELETE" else route.fallback())

    await chat.page.route("**/api/conversations/conv_u", refuse)
    await delete()
    await expect(chat.page.get_by_text("“Mills” could not be deleted.")).to_be_visible()
    await expect(chat.conversation("Mills")).to_be_visible()
