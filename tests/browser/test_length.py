"""Long conversations, and where the view stands in them."""

from typing import Any

from playwright.async_api import expect

from tests.browser import history
from tests.browser.chat_page import ChatPage
from tests.browser.visitor import Visitor
from tests.e2e.system import System
from tests.kit.chat_client import script
from tests.kit.eventually import eventually
from worker.backends.script import generated_words

_TURNS = 1000
#: Enough to be scrolled through: beyond these all is repetition.
_SCROLLED = 150
#: Of two thousand messages only those near the view may be in the page.
_MOST_MESSAGES = 60
#: From the view's end to the end of the text, in pixels, for it to be at the end.
_NEAR_PX = 30

_DISTANCE = "view => view.scrollHeight - view.clientHeight - view.scrollTop"
#: Scrolls through everything, a view each frame, as a violent fling does. Gives the longest time between two
#: frames in ms, how many elements there were at most, and the frames that were drawn empty.
_SCROLL_THROUGH = """async view => {
  const frame = () => new Promise(requestAnimationFrame);
  const isEmpty = () => {
    const {top, bottom} = view.getBoundingClientRect();
    return ![...view.querySelectorAll('article')].some(article => {
      const box = article.getBoundingClientRect();
      return box.bottom > top && box.top < bottom;
    });
  };
  view.scrollTop = 0;
  for (let i = 0; i < 10; i++) await frame();
  let longest = 0, most = 0, empty = 0, frames = 0, before = await frame();
  while (view.scrollTop + view.clientHeight < view.scrollHeight - 2 && frames < 5000) {
    view.scrollTop += view.clientHeight;
    const now = await frame();
    longest = Math.max(longest, now - before);
    before = now;
    frames += 1;
    most = Math.max(most, view.querySelectorAll('article').length);
    if (isEmpty()) empty += 1;
  }
  return {longest, most, empty, frames};
}"""

#: Characters of one reply that may be in the page.
_MOST_SHOWN = 30_000
_NO_GAP = """view => {
  const {top, bottom} = view.getBoundingClientRect();
  return ![...view.querySelectorAll('.sheet, .stretch')].some(part => {
    const box = part.getBoundingClientRect();
    return box.bottom > top && box.top < bottom && !part.hasChildNodes();
  });
}"""


def turns(count: int) -> list[tuple[str, str]]:
    """Questions and replies of many lengths."""
    return [
        (f"Question {n}", f"Reply {n}." + "".join(generated_words(n, 5 + n * 37 % 90))) for n in range(count)
    ]


async def is_at_end(chat: ChatPage) -> None:
    """The view shows the newest text."""
    await expect(chat.reply).to_be_in_viewport()

    async def is_near() -> bool:
        return bool(await chat.thread.evaluate(_DISTANCE) <= _NEAR_PX)

    # New text is followed before it is painted, but a script may look between the two.
    await eventually(is_near, "the view is at the end", 1)


async def test_scrolls(visitor: Visitor, system: System) -> None:
    """From the first message to the last: text in every frame, and never much of it in the page."""
    history.write(system.redis, "conv_shorter", "Not quite as long", turns(_SCROLLED))
    chat = await visitor.open("/c/conv_shorter")
    await expect(chat.thread.get_by_text(f"Reply {_SCROLLED - 1}.")).to_be_in_viewport()
    found: Any = await chat.thread.evaluate(_SCROLL_THROUGH)
    assert found["frames"] > _SCROLLED / 10, found
    assert found["most"] < _MOST_MESSAGES
    assert found["empty"] == 0, found
    # Even on a busy machine no frame may hang.
    assert found["longest"] < 1000


async def test_two_thousand_messages(visitor: Visitor, system: System) -> None:
    """
    They open at the last one; the way to the beginning, and back by the button that offers it; a turn after
    them is as any other.
    """
    history.write(system.redis, "conv_long", "A long one", turns(_TURNS))
    chat = await visitor.open("/c/conv_long")
    last = chat.thread.get_by_text(f"Reply {_TURNS - 1}.")
    await expect(last).to_be_in_viewport()
    await is_at_end(chat)
    await chat.thread.hover()
    await chat.page.mouse.wheel(0, -500)
    await expect(chat.to_end).to_be_visible()
    await chat.thread.evaluate("view => { view.scrollTop = 0 }")
    await expect(chat.thread.get_by_text("Question 0", exact=True)).to_be_in_viewport()
    await chat.to_end.click()
    await expect(last).to_be_in_viewport()
    await expect(chat.to_end).to_have_count(0)
    await chat.send(script(length=5))
    await expect(chat.text.get_by_text("Water weir carry")).to_be_in_viewport()
    await chat.whole()
    await is_at_end(chat)


async def test_sticks_to_the_end(chat: ChatPage) -> None:
    """While text arrives the view follows it; one who scrolls up is left alone and offered the way back."""
    await chat.send(script(rate=300, length=9000))
    await chat.begun(300)
    await is_at_end(chat)
    await chat.thread.hover()
    await chat.page.mouse.wheel(0, -250)
    await expect(chat.to_end).to_be_visible()
    await chat.evaluate("new Promise(requestAnimationFrame)")
    top = await chat.thread.evaluate("view => view.scrollTop")
    known = len(await chat.said())
    await expect(chat.text).not_to_have_text(await chat.text.inner_text())
    await chat.begun(600)
    assert len(await chat.said()) > known
    assert await chat.thread.evaluate("view => view.scrollTop") == top
    await chat.to_end.click()
    await expect(chat.to_end).to_have_count(0)
    await is_at_end(chat)
    await chat.stop_button.click()
    await chat.whole()


async def test_a_long_reply(chat: ChatPage) -> None:
    """Of a reply of many screens only what is near the view is in the page, wherever the reader goes."""
    await chat.send(script(rate=0, length=9000))
    await chat.whole()
    last = (await chat.said()).split()[-1]
    assert last in generated_words(0, 9000)[-1]
    for top in ("0", "view.scrollHeight / 2", "view.scrollHeight"):
        await chat.thread.evaluate(f"view => {{ view.scrollTop = {top} }}")
        await eventually(lambda: shown(chat), "the view is full of text", 10)
        assert len(await chat.said()) < _MOST_SHOWN
    await is_at_end(chat)


async def shown(chat: ChatPage) -> bool:
    """Whether no empty part of the newest reply is in the view."""
    return bool(await chat.thread.evaluate(_NO_GAP))
