"""What a model says is text: nothing of it runs, loads, submits or covers anything."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser import history
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor
from tests.e2e.system import System
from tests.kit.chat_client import script

VECTORS: dict[str, str] = json.loads(Path(__file__).with_name("vectors.json").read_text())
#: Vectors that are streamed in one reply.
_GROUP = 40
_PIXEL = "<img src=x onerror=alert(1)>"

#: All that a vector could call leaves a trace in `ran`.
_TRAPS = """
window.ran = [];
for (const name of ['alert', 'confirm', 'prompt', 'print', 'open', 'msgbox']) {
  window[name] = (...given) => { window.ran.push([name, String(given[0])]); };
}
"""
#: Every event that a handler could wait for, at every element of the replies.
_PROVOKE = """() => {
  const kinds = ['mouseover', 'mouseenter', 'pointerenter', 'focus', 'focusin', 'click', 'auxclick', 'submit',
    'load', 'error', 'start', 'begin', 'toggle', 'beforetoggle', 'animationstart'];
  for (const element of document.querySelectorAll('.message .text *')) {
    if (element.closest('button')) continue;
    for (const kind of kinds) element.dispatchEvent(new Event(kind, {bubbles: true, cancelable: true}));
  }
}"""
#: What must not be among the elements that a reply became.
_FORBIDDEN = """() => {
  const tags = 'script, iframe, frame, object, embed, applet, style, link, meta, base, form, template, video,'
    + 'audio, source, track, area, map, dialog, portal, noscript, foreignObject, animate, set, use, image,'
    + 'marquee, select, textarea, input:not([type=checkbox][disabled]), img:not(.picture, .diagram-picture),'
    + 'button:not(.picture-offer, .icon-button, .sort)';
  const found = [];
  for (const text of document.querySelectorAll('.message .text')) {
    for (const element of text.querySelectorAll('*')) {
      if (element.matches(tags)) found.push(element.outerHTML);
      if (element.shadowRoot) found.push('shadow root');
      for (const {name, value} of element.attributes) {
        const isAddress = /^(?:href|xlink:href|src|action|formaction|data|poster|background)$/.test(name);
        if (/^on/.test(name) || name === 'srcdoc' || name === 'srcset' || name === 'ping') found.push(name);
        // A diagram that is drawn by now is a picture of its own, in which nothing runs.
        if (element.matches('img.diagram-picture') && value.startsWith('data:image/svg+xml;')) continue;
        if (isAddress && !/^(?:https?:|mailto:|tel:|#)/.test(value)) found.push(`${name}=${value}`);
        if (name === 'id' && !/^(?:user-content-|_r_|«)/.test(value)) found.push(element.outerHTML);
        if (name === 'name') found.push(`name=${value}`);
        if (name === 'style' && /url|position\\s*:\\s*(?:fixed|absolute|sticky)/i.test(value)
          && !element.closest('.katex')) found.push(`style=${value}`);
      }
    }
  }
  return found;
}"""


async def is_inert(visitor: Visitor, chat: ChatPage, address: str) -> None:
    """Nothing has run, nothing has been asked of anybody, and nothing could be."""
    assert await chat.evaluate(_FORBIDDEN) == []
    await chat.evaluate(_PROVOKE)
    await chat.evaluate("new Promise(requestAnimationFrame)")
    assert await chat.evaluate("window.ran") == []
    assert visitor.foreign == []
    assert not [asked for asked in visitor.asked if urlsplit(asked).path.endswith(("/steal", "/x"))]
    assert chat.page.url == address
    assert len(visitor.context.pages) == 1


@pytest_asyncio.fixture(loop_scope="session")
async def trapped(arrive: Arrive) -> Any:
    """Gives visitors in whose pages all that a vector could call is a trap."""

    async def come(**options: Any) -> Visitor:
        return await arrive(script=_TRAPS, **options)

    return come


async def test_stored(trapped: Any, system: System) -> None:
    """
    Replies, questions and titles of a loaded conversation, although no content policy stands behind: that
    alone would hold what is let through, and `test_trust.py` shows that it does.
    """
    turns = [(vector, vector) for vector in VECTORS.values()]
    history.write(system.redis, "conv_bad", _PIXEL, turns)
    # So high that every message is in the page.
    visitor = await trapped(bypass_csp=True, viewport={"width": 1000, "height": 24_000})
    # The frame that draws diagrams says what it may not do.
    visitor.expect(r"violates the following Content Security Policy.*/diagram\.js")
    chat = await visitor.open("/c/conv_bad")
    await expect(chat.replies).to_have_count(len(turns), timeout=15_000)
    await expect(chat.thread.get_by_text("Loading")).to_have_count(0)
    await expect(chat.page.locator(".unparsed")).to_have_count(0)
    await expect(chat.conversation(_PIXEL)).to_be_visible()
    await is_inert(visitor, chat, f"{chat.url}/c/conv_bad")


def groups() -> list[list[str]]:
    """Some vectors at a time."""
    vectors = list(VECTORS.values())
    return [vectors[first : first + _GROUP] for first in range(0, len(vectors), _GROUP)]


@pytest.mark.parametrize("vectors", groups(), ids=range(-(-len(VECTORS) // _GROUP)))
async def test_streamed(trapped: Any, vectors: list[str]) -> None:
    """Vectors that arrive in pieces, so that each is unfinished at first, without the policy behind."""
    visitor = await trapped(bypass_csp=True)
    chat = await visitor.open()
    await chat.send(script(text="\n\n".join(vectors), rate=150))
    await chat.begun(1)
    while await chat.stop_button.count():
        assert await chat.evaluate(_FORBIDDEN) == []
    await chat.whole()
    await is_inert(visitor, chat, f"{chat.url}/c/{chat.conversation_id}")


async def test_failures(trapped: Any) -> None:
    """What a model server says in place of an answer is text too."""
    visitor = await trapped()
    chat = await visitor.open()
    await chat.choose_model("upstream")
    await chat.send(script(status=400, message=_PIXEL))
    await expect(chat.failure).to_contain_text("server refused this message")
    assert await chat.failure.locator("img").count() == 0
    assert await chat.evaluate("window.ran") == []


async def test_by_a_click(trapped: Any, system: System) -> None:
    """
    A picture from elsewhere is fetched when its reader asks for it, and says where it comes from. A link
    shows where it really leads, and is followed in a tab that knows nothing of this one.
    """
    history.write(system.redis, "conv_pic", "A picture", [("?", "![A mill](https://evil.example/mill.png)")])
    deceit = "[https://bank.example](https://evil.example/login)"
    history.write(system.redis, "conv_link", "A link", [("?", deceit)])
    visitor: Visitor = await trapped()
    visitor.expect("evil.example")
    await visitor.context.route("https://evil.example/**", lambda route: route.abort())
    chat = await visitor.open("/c/conv_pic")
    offer = chat.text.get_by_role("button", name="Show picture: A mill")
    await expect(offer).to_contain_text("evil.example")
    assert visitor.foreign == []
    await offer.click()
    await expect(chat.text).to_contain_text("Picture not available: A mill")
    assert visitor.foreign == ["https://evil.example/mill.png"]
    await chat.goto("/c/conv_link")
    link = chat.text.get_by_role("link")
    assert set((await link.get_attribute("rel") or "").split()) >= {"noopener", "noreferrer"}
    await link.click()
    dialog = chat.page.get_by_role("dialog", name="Open this address?")
    await expect(dialog).to_contain_text("https://evil.example/login")
    await dialog.get_by_role("button", name="Cancel").click()
    assert await chat.evaluate("window.ran") == []
    await link.click()
    await dialog.get_by_role("button", name="Open in a new tab").click()
    assert await chat.evaluate("window.ran") == [["open", "https://evil.example/login"]]
