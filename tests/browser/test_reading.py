"""A reply as its reader meets it: what was said, in order, selected, copied, printed, followed."""

import asyncio
import re
from typing import Any

from playwright.async_api import expect

from tests.browser import history
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor
from tests.e2e.system import System
from tests.kit.chat_client import script

_SAID = [
    "每天3~5次，每次10~20分钟",  # noqa: RUF001
    "List<String> and a<b and c>d, </think> too",
    "foo \\[optional\\] bar costs $5 or $10",
    "[the guide](docs/guide.md) and [Note]: this",
]


async def test_said(chat: ChatPage) -> None:
    """Text without markup has all its letters, while it arrives and after a reload."""
    shown = [said.replace("\\[", "[").replace("\\]", "]") for said in _SAID]
    for said, letters in zip(_SAID, shown, strict=True):
        await chat.ask(script(text=said, rate=40))
        assert await chat.said() == letters
    await chat.reload()
    await expect(chat.replies.locator("div.text")).to_have_text(shown)


#: As over plain HTTP from another machine.
_NO_CLIPBOARD = "void Object.defineProperty(navigator, 'clipboard', {value: null})"


async def test_copied(visitor: Visitor) -> None:
    """
    A message and its code are copied byte for byte, line ends, tabs and blanks included; at once, or by a
    field where the browser has nothing better.
    """
    await visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chat = await visitor.open()
    code = "\tif a<b:  \r\n\r\n\t\tprint('~')  \r\n"
    said = f"Say **so**: \\(a\\) &amp; 3~5\r\n\r\n```python\r\n{code}\r\n```\r\n\r\nEnd.  \n"
    await chat.ask(script(text=said))
    await chat.evaluate("void (window.clip = navigator.clipboard)")
    for way in ("at once", "by a field"):
        await expect(chat.reply.get_by_text("Copied")).to_have_count(0)
        await chat.evaluate("clip.writeText('')")
        await chat.reply.get_by_role("button", name="Copy message").click()
        await expect(chat.reply.get_by_text("Copied")).to_have_count(1)
        assert await chat.evaluate("clip.readText()") == said, way
        await chat.reply.get_by_role("button", name="Copy code").click()
        assert await chat.evaluate("clip.readText()") == code, way
        await chat.evaluate(_NO_CLIPBOARD)


async def test_reasoning(chat: ChatPage) -> None:
    """Reasoning is folded away after it, with how long it took, and can be read as markdown."""
    await chat.send(script(reasoning=40, length=4000, rate=20))
    await expect(chat.reply.get_by_role("button", name="Reasoning…")).to_be_visible()
    await expect(chat.reply.locator(".reasoning-text .markdown p")).to_be_visible()
    folded = chat.reply.get_by_role("button", name=re.compile("Reasoned for [1-3] s"))
    await expect(folded).to_have_attribute("aria-expanded", "false", timeout=10_000)
    await chat.stop_button.click()
    await chat.whole()
    await folded.click()
    await expect(chat.reply.locator(".reasoning-text")).to_contain_text("valley")
    await chat.reload()
    # How long it took comes with it once the server keeps that.
    again = chat.reply.get_by_role("button", name="Reason")
    await again.click()
    await expect(chat.reply.locator(".reasoning-text")).to_contain_text("valley")


async def test_tool_calls(chat: ChatPage) -> None:
    """A call stands where it happened, named, what it is given readable."""
    await chat.ask(script(text="Let me look at the gate.", tool_call=True))
    call = chat.reply.get_by_role("region", name="Calls read_level")
    await expect(call.locator("pre")).to_have_text('{\n  "gate": "upper"\n}')
    order = await chat.reply.evaluate("reply => [...reply.children].map(child => child.className)")
    assert order.index("text") < order.index("tool-call")


async def test_directions(chat: ChatPage, system: System) -> None:
    """Each block is read in its own direction, and so are the fields."""
    history.write(
        system.redis, "conv_dir", "Directions", [("שלום\nHello", "שלום עולם\n\nHello\n\n- אחת\n- שתיים")]
    )
    await chat.goto("/c/conv_dir")
    await expect(chat.text.locator("li")).to_have_count(2)
    shown = "block => getComputedStyle(block).direction"
    blocks = [await block.evaluate(shown) for block in await chat.text.locator("p, ul, li").all()]
    assert blocks == ["rtl", "ltr", "rtl", "rtl", "rtl"]
    await chat.box.fill("שלום")
    assert await chat.box.evaluate(shown) == "rtl"
    await chat.questions.first.hover()
    await chat.questions.first.get_by_role("button", name="Edit message").click()
    assert await chat.page.get_by_role("textbox", name="Edit your message").evaluate(shown) == "rtl"


_SELECT = """() => {
  const texts = document.createTreeWalker(document.querySelector('.message .text p'), NodeFilter.SHOW_TEXT);
  texts.nextNode();
  getSelection().setBaseAndExtent(texts.currentNode, 2, texts.currentNode, 14);
  return String(getSelection());
}"""


async def test_selection(chat: ChatPage) -> None:
    """What is selected in the paragraph that is being written stays selected, and there is one caret."""
    await chat.send(script(rate=40, length=4000))
    await chat.begun(4)
    selected = await chat.evaluate(_SELECT)
    assert len(selected) == 12
    before = len(await chat.said())
    await chat.begun(12)
    assert len(await chat.said()) > before
    assert await chat.evaluate("String(getSelection())") == selected
    assert await chat.reply.locator(".caret").count() == 1
    # A click would select something else.
    await chat.page.keyboard.press("Escape")
    await chat.whole()
    assert await chat.evaluate("String(getSelection())") == selected
    assert await chat.reply.locator(".caret").count() == 0


async def test_print(chat: ChatPage, system: System) -> None:
    """On paper is the whole conversation, however long it and its replies are."""
    long_reply = "\n\n".join(f"Paragraph {number} of the reply.\n\n- a\n- b" for number in range(400))
    turns = [(f"Question {number}?", f"Answer {number}.") for number in range(200)] + [("Long?", long_reply)]
    history.write(system.redis, "conv_print", "To be printed", turns)
    await chat.goto("/c/conv_print")
    await expect(chat.text).to_contain_text("Paragraph 399 of")
    assert await chat.questions.count() < 100
    half_written = "half-written"
    await chat.box.fill(half_written)
    await chat.page.emulate_media(media="print")
    await expect(chat.questions).to_have_count(201)
    paper = await chat.evaluate("document.body.innerText")
    for number in range(200):
        assert f"Question {number}?" in paper and f"Answer {number}." in paper
    for number in range(400):
        assert f"Paragraph {number} of" in paper
    tops = await chat.evaluate(
        "[...document.querySelectorAll('.message')].map(one => one.getBoundingClientRect().top)"
    )
    assert tops == sorted(tops) and len(set(tops)) == len(tops)
    assert await chat.evaluate("document.documentElement.scrollHeight") > 20_000
    await chat.page.emulate_media(media="screen")
    await expect(chat.questions.nth(100)).to_have_count(0)
    await expect(chat.box).to_have_value(half_written)


async def test_links_that_say_where_they_lead(arrive: Arrive, system: System) -> None:
    """A link whose text is its own address opens without a question; any other asks."""
    said = "https://example.org/mill and [a mill](https://example.org/other)"
    history.write(system.redis, "conv_own", "Links", [("?", said)])
    visitor: Visitor = await arrive(script="window.open = () => null")
    visitor.expect("example.org")
    await visitor.context.route("https://example.org/**", lambda route: route.fulfill(body="mill"))
    chat = await visitor.open("/c/conv_own")
    async with visitor.context.expect_page() as opened:
        await chat.text.get_by_role("link", name="https://example.org/mill").click()
    tab = await opened.value
    assert tab.url == "https://example.org/mill"
    await tab.close()
    await chat.text.get_by_role("link", name="a mill").click()
    await expect(chat.page.get_by_role("dialog", name="Open this address?")).to_be_visible()


_LONGER_THAN_THE_VIEW = re.compile(r"(\S+\s+){260}")


async def _stays(chat: ChatPage) -> None:
    """Text goes on arriving below, and the view stays where its reader has put it."""
    await expect(chat.to_end).to_be_visible()
    held: Any = await chat.evaluate("document.querySelector('.scroll-view').scrollTop")
    before = len(await chat.said())
    async with asyncio.timeout(10):
        while len(await chat.said()) < before + 200:
            await chat.evaluate("new Promise(requestAnimationFrame)")
    assert await chat.evaluate("document.querySelector('.scroll-view').scrollTop") <= held + 1
    await expect(chat.to_end).to_be_visible()


async def test_scrolled_up_a_little(chat: ChatPage) -> None:
    """One press of an arrow, or the least a wheel can turn, holds the view, however much text comes."""
    await chat.send(script(rate=200, length=9000, kind="code"))
    await expect(chat.text).to_have_text(_LONGER_THAN_THE_VIEW, timeout=20_000)
    for way in ("an arrow", "a few pixels"):
        if way == "an arrow":
            await chat.thread.focus()
            await chat.page.keyboard.press("ArrowUp")
        else:
            await chat.thread.hover()
            await chat.page.mouse.wheel(0, -6)
        await _stays(chat)
        await chat.to_end.click()
        await expect(chat.to_end).to_have_count(0)
    await chat.stop_button.click()
    await chat.whole()
