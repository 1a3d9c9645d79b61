"""A front end that knows nothing but the tutorial's wire, as a page of another origin."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Arrive
from tests.e2e.system import System
from tests.kit.chat_client import script
from worker.backends.script import expected_text

_PAGE = Path(__file__).with_name("tutorial.html")
_REPLY = (
    "See:\n\n```python\nprint('a')\n```\n\n| item | price |\n| - | - |\n| mill | 7 |\n\n"
    "![wheel](https://example.org/wheel.png)\n\nDone."
)


@pytest.fixture
def application(app_server: dict[str, Path], app_port: int) -> str:
    """Somebody else's, at another port."""
    app_server["tutorial"] = _PAGE.parent
    return f"http://127.0.0.1:{app_port}/tutorial/{_PAGE.name}"


async def opened(arrive: Arrive, application: str, server: str) -> Page:
    """The application, that talks to *server*."""
    page = (await (await arrive(server)).open()).page
    await page.goto(f"{application}?server={server}")
    return page


async def test_typed_content_and_rooms(arrive: Arrive, application: str, system: System) -> None:
    """A switch over `contentType` and a plain WebSocket are enough, also for two at two gateways."""
    ann = await opened(arrive, application, system.url)
    assert await ann.evaluate("message => ask(message)", script(text=_REPLY, length=200, rate=0)) == _REPLY
    await expect(ann.locator("pre[data-language=python]")).to_contain_text("print('a')")
    await expect(ann.locator("td")).to_have_text(["item", "price", "mill", "7"])
    await expect(ann.locator("img")).to_have_attribute("alt", "https://example.org/wheel.png")
    await expect(ann.locator("p").last).to_contain_text("Done.")
    bob = await opened(arrive, application, system.elsewhere)
    for page, name in ((ann, "ann"), (bob, "bob")):
        await page.evaluate("name => join('tutorial', name)", name)
    await expect(ann.locator("#people")).to_contain_text("bob joined")
    await bob.evaluate("socket.send(JSON.stringify({type: 'user_typing', userId: 'bob'}))")
    await expect(ann.locator("#people")).to_contain_text("bob is typing")
    said = '{"type": "send_message", "userId": "bob"}'
    await bob.evaluate(
        "([said, message]) => socket.send(JSON.stringify({...JSON.parse(said), message}))",
        [said, script(length=30, rate=60)],
    )
    for page in (ann, bob):
        await expect(page.locator("p")).to_have_text(expected_text({"length": 30}))
