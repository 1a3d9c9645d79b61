"""Many tabs of one browser, which gives all of them six connections; and plain HTTP from another machine."""

import asyncio
import re
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor
from tests.e2e.system import System
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from worker.backends.script import expected_text

#: More conversations than the browser has connections.
_STREAMS = 7


async def open_streams(system: System, http: ClientSession) -> int:
    """How many the first gateway has open."""
    async with http.get(f"{system.url}/metrics") as response:
        found = re.findall(r"^headrace_open_streams\{.*\} (\S+)$", await response.text(), re.MULTILINE)
    return int(sum(float(count) for count in found))


@pytest_asyncio.fixture(loop_scope="session")
async def calm(arrive: Arrive) -> Visitor:
    """One whose many tabs leave the processor to others: without a graphics card an animation is work."""
    return await arrive(reduced_motion="reduce")


@pytest.mark.timing
@pytest.mark.timeout(120)
@pytest.mark.parametrize("count", [8, pytest.param(20, marks=pytest.mark.long)])
async def test_one_stream(calm: Visitor, system: System, http: ClientSession, count: int) -> None:
    """
    More tabs than the browser has connections load in mid-reply and have all of it, over one stream; Stop in
    the last stops them all.
    """
    chat = await calm.open()
    await chat.send(script(rate=5, length=1000))
    await chat.begun(3)
    where = f"/c/{chat.conversation_id}"
    tabs = [chat, *await asyncio.gather(*[calm.open(where) for _ in range(count - 1)])]
    for tab in tabs:
        await expect(tab.stop_button).to_be_visible(timeout=15_000)
        await tab.begun(5)

    async def is_one() -> bool:
        return await open_streams(system, http) == 1

    await eventually(is_one, "one stream is open", timeout_s=10)
    await tabs[-1].stop_button.click()
    for tab in tabs:
        await tab.whole(timeout_s=5)
        await expect(tab.reply).to_contain_text("You stopped this reply.")
    # What is rendered in a tab that nobody sees may not be laid out.
    said = [await tab.text.text_content() for tab in tabs]
    assert len(set(said)) == 1, said


async def test_leader_leaves(calm: Visitor) -> None:
    """The tab that reads the stream is closed, then another is frozen: those left go on, and miss nothing."""
    chat = await calm.open()
    await chat.send(script(rate=20, length=4000))
    await chat.begun(3)
    where = f"/c/{chat.conversation_id}"
    second, third = await calm.open(where), await calm.open(where)
    for tab in (second, third):
        await tab.begun(5)
    await chat.page.goto("about:blank")
    seen = len(await second.said())
    devtools = await calm.context.new_cdp_session(second.page)
    await devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    await third.begun(len((await third.said()).split()) + 20)
    await third.stop_button.click()
    await third.whole()
    said = await third.said()
    assert expected_text({"length": 4000}).startswith(said)
    await devtools.send("Page.setWebLifecycleState", {"state": "active"})
    await second.whole()
    assert await second.said() == said
    assert seen < len(said)


@pytest.mark.timing
async def test_stop_gets_through(calm: Visitor, api: ChatClient) -> None:
    """More replies stream than the browser has connections: all are shown, and Stop in any tab is at once."""
    tabs = await asyncio.gather(*[calm.open() for _ in range(_STREAMS)])
    for number, tab in enumerate(tabs):
        await tab.send(script(rate=5, length=1000, seed=number))
    for tab in tabs:
        await tab.begun(3)
    for tab in (tabs[-1], tabs[0]):
        await tab.stop_button.click()
        await tab.whole(timeout_s=3)
    reloaded = tabs[3]
    await reloaded.reload()
    await reloaded.begun(5)
    for tab in tabs:
        conversation = await api.conversation(tab.conversation_id)
        if conversation["conversation"]["active"]:
            await api.cancel(conversation["conversation"]["active"])
    for tab in tabs:
        await tab.whole(timeout_s=10)


async def test_plain_http(arrive: Arrive, system: System) -> None:
    """By a name of another machine there is no secure context: everything works that a reader does."""
    port = urlsplit(system.url).port
    visitor = await arrive(f"http://headrace.test:{port}")
    visitor.expect("Cross-Origin-Opener-Policy header has been ignored")
    chat = await visitor.open()
    assert await chat.evaluate("[isSecureContext, crypto.randomUUID, navigator.clipboard]") == [
        False,
        None,
        None,
    ]
    await chat.ask(script(text="Some **bold** words\n\n```\ncode\n```"))
    copy = chat.reply.get_by_role("button", name="Copy message")
    for name, copied in (("Copy code", "code"), ("Copy message", "Some **bold** words\n\n```\ncode\n```")):
        await chat.reply.get_by_role("button", name=name).click()
        await expect(chat.reply.get_by_text("Copied")).not_to_have_count(0)
        await chat.box.focus()
        await chat.page.keyboard.press("Control+V")
        await expect(chat.box).to_have_value(re.compile(re.escape(copied)))
        await chat.box.fill("")
    await copy.focus()
    await chat.page.keyboard.press("Enter")
    await expect(copy).to_be_focused()
    other = await visitor.open(f"/c/{chat.conversation_id}")
    await other.send(script(rate=20, length=40))
    await chat.begun(3)
    await other.box.fill("Next")
    await other.box.press("Enter")
    await expect(chat.page.get_by_text("Will be sent after this reply")).to_be_visible()
    for tab in (chat, other):
        await expect(tab.questions).to_have_count(3, timeout=10_000)
        await tab.whole()
    await chat.reply.get_by_role("button", name="Regenerate").click()
    await chat.whole()
    await expect(chat.failure).to_have_count(0)
