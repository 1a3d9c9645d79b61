"""What guards the page: its content policy, and what becomes of an API key."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession
from playwright.async_api import Page, Route, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Arrive
from tests.browser.visitor import GONE, Visitor
from tests.e2e.system import System
from tests.kit.broker import EmbeddedBroker
from tests.kit.stack import Stack

KEY = "sk-headrace-7f3a91c2"

#: Everything a browser keeps of a page beyond its life.
_STORED = """async () => {
  const databases = await indexedDB.databases();
  return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, databases,
    await caches.keys(), location.href, history.state]);
}"""


@pytest.fixture(scope="module")
def locked_url(
    built_page: None, broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A gateway that asks for an API key."""
    stack = Stack(broker, tmp_path_factory.mktemp("locked"), database=11, api_keys=KEY)
    try:
        stack.start()
        yield stack.gateways[0].url
    finally:
        stack.stop()


async def test_policy(system: System, http: ClientSession) -> None:
    """Scripts are the page's own files and nothing else, and nobody may frame it."""
    async with http.get(system.url) as response:
        rules = response.headers["Content-Security-Policy"].split(";")
        page = await response.text()
    policy = dict(rule.strip().split(" ", 1) for rule in rules)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert not any("unsafe" in sources for sources in policy.values())
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "<style" not in page and " style=" not in page and "<script>" not in page


@asynccontextmanager
async def unreachable(page: Page, method: str) -> AsyncIterator[None]:
    """Meanwhile no such request about the session arrives."""

    async def handle(route: Route) -> None:
        await (route.abort() if route.request.method == method else route.continue_())

    await page.route("**/api/session", handle)
    yield
    await page.unroute("**/api/session")


async def test_staying_signed_in(locked_url: str, arrive: Arrive) -> None:
    """
    Remembered on this device by a cookie that no script can read; signed out, nothing is left and nobody is
    in. What the server has not heard is said.
    """
    visitor = await arrive(locked_url)
    visitor.expect("401")
    visitor.expect(f"{GONE}|net::ERR_FAILED .*/api/session")
    chat = await visitor.open()
    dialog = chat.page.get_by_role("dialog", name="This server asks for an API key")
    await dialog.get_by_label("API key").fill(KEY)
    await dialog.get_by_label("Stay signed in on this device").check()
    async with unreachable(chat.page, "POST"):
        await dialog.get_by_role("button", name="Use this key").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("could not be reached")
    await dialog.get_by_role("button", name="Use this key").click()
    await expect(dialog).to_have_count(0)
    await chat.ask("Hello")
    assert KEY not in await chat.evaluate(_STORED)
    [cookie] = await visitor.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    await chat.reload()
    await expect(chat.conversation("Hello")).to_be_visible()
    await expect(dialog).to_have_count(0)
    await chat.page.keyboard.press("Control+/")
    async with unreachable(chat.page, "DELETE"):
        await chat.page.get_by_role("button", name="Sign out").click()
        await expect(chat.page.get_by_role("alert")).to_contain_text("still signed in")
    await chat.page.get_by_role("button", name="Sign out").click()
    await expect(dialog).to_be_visible()
    assert await visitor.context.cookies() == []
    assert "Hello" not in await chat.evaluate(_STORED)


async def test_policy_is_in_force(visitor: Visitor, chat: ChatPage) -> None:
    """A script that is written into the page does not run, and one from elsewhere is not fetched."""
    visitor.expect("Content Security Policy")
    await chat.evaluate("""() => {
      document.body.insertAdjacentHTML('beforeend', '<img src="data:," onerror="window.ran = true">');
      for (const given of [{textContent: 'window.ran = true'}, {src: 'https://evil.example/x.js'}]) {
        document.body.append(Object.assign(document.createElement('script'), given));
      }
    }""")
    await expect(chat.page.locator("body > img")).to_have_count(1)
    await chat.ask("Hello")
    assert not await chat.evaluate("window.ran")
    assert any("Content Security Policy" in line for line in visitor.log)


async def test_key(locked_url: str, arrive: Arrive) -> None:
    """A page without a key asks for it, refuses a wrong one, works with the right one, and stores none."""
    visitor = await arrive(locked_url)
    visitor.expect("401")
    chat = await visitor.open()
    dialog = chat.page.get_by_role("dialog", name="This server asks for an API key")
    field = dialog.get_by_label("API key")
    await field.fill("sk-wrong")
    await dialog.get_by_role("button", name="Use this key").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("The server did not accept this key.")
    await field.fill(KEY)
    await dialog.get_by_role("button", name="Use this key").click()
    await expect(dialog).to_have_count(0)
    await chat.ask("A word with you")
    await expect(chat.conversation("A word with you")).to_be_visible()
    stored: Any = await chat.evaluate(_STORED)
    assert KEY not in stored
    assert await visitor.context.cookies() == []
    assert KEY not in str(await visitor.context.storage_state(indexed_db=True))
    assert not [asked for asked in visitor.asked if KEY in asked]
    await chat.reload()
    await expect(dialog).to_be_visible()
