"""A front end that knows nothing but the tutorial's wire, as a page of another origin."""

from playwright.async_api import Page, expect

from tests.browser.conftest import Arrive
from tests.e2e.system import System
from tests.kit.chat_client import script
from worker.backends.script import expected_text

_REPLY = (
    "See:\n\n```python\nprint('a')\n```\n\n| item | price |\n| - | - |\n| mill | 7 |\n\n"
    "![wheel](https://example.org/wheel.png)\n\nDone."
)


async def opened(arrive: Arrive, tutorial: str, server: str) -> Page:
    """The application, that talks to *server*."""
    page = (await (await arrive(server)).open()).page
    await page.goto(f"{tutorial}?server={server}")
    return page


async def say(page: Page, who: str, **said: str) -> None:
    """Send a message of a room as the tutorial's clients do."""
    await page.evaluate("said => socket.send(JSON.stringify(said))", {**said, "userId": who})


async def test_typed_content_and_rooms(arrive: Arrive, tutorial: str, system: System) -> None:
    """A switch over `contentType` and a plain WebSocket are enough, also for two at two gateways."""
    ann = await opened(arrive, tutorial, system.url)
    assert await ann.evaluate("message => ask(message)", script(text=_REPLY, length=200, rate=0)) == _REPLY
    await expect(ann.locator("pre[data-language=python]")).to_contain_text("print('a')")
    await expect(ann.locator("td")).to_have_text(["item", "price", "mill", "7"])
    await expect(ann.locator("img")).to_have_attribute("alt", "https://example.org/wheel.png")
    await expect(ann.locator("p").last).to_contain_text("Done.")
    bob = await opened(arrive, tutorial, system.elsewhere)
    for page in (ann, bob):
        await page.evaluate("join('tutorial')")
    await say(bob, "bob", type="user_typing")
    await expect(ann.locator("#people")).to_contain_text("bob joined")
    await expect(ann.locator("#people")).to_contain_text("bob is typing")
    await say(bob, "bob", type="send_message", message=script(length=40, rate=30))
    await expect(bob.locator("p")).to_contain_text(expected_text({"length": 3}))
    await bob.evaluate("socket.close()")
    await bob.evaluate("join('tutorial', last)")
    for page in (ann, bob):
        await expect(page.locator("p")).to_have_text(expected_text({"length": 40}))
