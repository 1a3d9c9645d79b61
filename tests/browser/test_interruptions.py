"""What happens to a page in mid-reply: however it is interrupted, the reply is whole in the end."""

import re
from urllib.parse import urlsplit

from playwright.async_api import expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Arrive
from tests.browser.visitor import GONE, Visitor
from tests.e2e.system import System
from tests.kit.chat_client import ChatClient, script
from tests.kit.link import Link
from worker.backends.script import expected_text

_LENGTH = 80
_RATE = 20
TEXT = expected_text({"length": _LENGTH})


async def begin(chat: ChatPage) -> None:
    """A reply of four seconds, a few words of which have been seen."""
    await chat.send(script(rate=_RATE, length=_LENGTH))
    await chat.begun(6)


async def is_whole(chat: ChatPage, api: ChatClient) -> None:
    """The page shows all of the one reply, and the log has the same."""
    await chat.whole()
    assert await chat.said() == TEXT
    conversation = await api.conversation(chat.conversation_id)
    assert [message["role"] for message in conversation["messages"]] == ["user", "assistant"]
    assert (await api.status(conversation["messages"][-1]["generation_id"]))["text"] == TEXT
    await expect(chat.replies).to_have_count(1)


async def test_reload(chat: ChatPage, api: ChatClient) -> None:
    """A reloaded page goes on with the reply where it is by now, and it is the same one."""
    await begin(chat)
    await chat.reload()
    await chat.begun(6)
    await expect(chat.stop_button).to_be_visible()
    await is_whole(chat, api)


async def test_offline(arrive: Arrive, api: ChatClient) -> None:
    """Five seconds without a network: the page says so, and has all of the reply after."""
    with Link(urlsplit(api.url).port or 0) as link:
        visitor = await arrive(f"http://127.0.0.1:{link.port}")
        visitor.expect(GONE)
        chat = await visitor.open()
        await begin(chat)
        # The browser alone lets open streams go on.
        await visitor.context.set_offline(True)
        link.cut()
        await expect(chat.page.get_by_text("You are offline.")).to_be_visible()
        # What had come is still shown at its even pace.
        await chat.page.wait_for_timeout(500)
        before = await chat.said()
        await chat.page.wait_for_timeout(2_000)
        assert await chat.said() == before
        await visitor.context.set_offline(False)
        await expect(chat.page.get_by_text("You are offline.")).to_have_count(0)
        await is_whole(chat, api)


async def test_gateways_killed(visitor: Visitor, chat: ChatPage, api: ChatClient, system: System) -> None:
    """Every gateway is killed and started again: the page reconnects by itself."""
    visitor.expect(GONE)
    await begin(chat)
    system.kill_all("gateway")
    await expect(chat.page.get_by_text("Reconnecting")).to_be_visible()
    await is_whole(chat, api)


async def test_workers_killed(visitor: Visitor, chat: ChatPage, api: ChatClient, system: System) -> None:
    """
    Every worker is killed: another goes on with the reply, and the reader has it once. Where the model cannot
    continue a text, the old one is replaced by a new one, never mixed with it.
    """
    anew = await visitor.open()
    await anew.choose_model("plain")
    for tab in (anew, chat):
        await tab.send(script(rate=_RATE, length=_LENGTH))
    for tab in (anew, chat):
        await tab.begun(6)
    system.kill_all("worker")
    for tab in (chat, anew):
        await is_whole(tab, api)


async def test_stop_while_offline(visitor: Visitor, chat: ChatPage) -> None:
    """A stop pressed without a network stops the reply as soon as there is one."""
    visitor.expect(GONE)
    await chat.send(script(rate=_RATE, length=4000))
    await chat.begun(6)
    await visitor.context.set_offline(True)
    await chat.stop_button.click()
    await visitor.context.set_offline(False)
    await chat.whole()
    await expect(chat.reply).to_contain_text("You stopped this reply.")


async def test_send_while_offline(visitor: Visitor, chat: ChatPage) -> None:
    """A message written without a network is sent once, as soon as there is one."""
    visitor.expect(GONE)
    await visitor.context.set_offline(True)
    await chat.send("Are you there?")
    await expect(chat.page.get_by_text("You are offline.")).to_be_visible()
    await visitor.context.set_offline(False)
    await chat.whole()
    await expect(chat.questions).to_have_text([re.compile("Are you there")])
    await expect(chat.replies).to_have_count(1)
    await expect(chat.failure).to_have_count(0)
