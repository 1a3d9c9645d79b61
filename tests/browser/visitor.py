"""A reader with a browser of its own: clean profile, and an eye on everything the page complains about."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Route, WebError

from tests.browser import devices
from tests.browser.chat_page import ChatPage

#: What the browser itself logs while a server or the network is away.
GONE = r"net::ERR_(CONNECTION_|INTERNET_DISCONNECTED|NETWORK_|EMPTY_RESPONSE|INCOMPLETE_CHUNKED|SOCKET_)"

#: A script for a device: what the page waits five seconds or more for comes ten times sooner. Limits of ten
#: seconds, and of more, are as they are.
HASTE = """
for (const name of ['setTimeout', 'setInterval']) {
  const real = window[name];
  window[name] = (call, ms, ...rest) => real(call, ms >= 5000 && ms < 10_000 ? ms / 10 : ms, ...rest);
}"""


def refused(status: int) -> Callable[[Route], Awaitable[None]]:
    """For `Page.route`: answers with *status* in the server's place."""

    async def answer(route: Route) -> None:
        await route.fulfill(status=status)

    return answer


class Visitor:
    """
    One context of the browser, which is one device; its pages share cookies, storage and channels.

    A *tab* that is there already is the first that is opened.
    """

    def __init__(self, context: BrowserContext, url: str, tab: Page | None = None) -> None:
        self.context = context
        self.url = url
        self._tab = tab
        #: Everything its consoles said, in order.
        self.log: list[str] = []
        #: Requests to other origins than the gateways', `data:` and `blob:` left out.
        self.foreign: list[str] = []
        #: All requests.
        self.asked: list[str] = []
        self._complaints: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("request", self._on_request)

    @classmethod
    async def arrive(cls, browser: Browser, url: str, **options: Any) -> Self:
        """With a new device; *options* are Playwright's for a context."""
        return cls(await devices.new(browser, **options), url)

    async def open(self, path: str = "/", url: str | None = None) -> ChatPage:
        """A new tab with the chat page, or with a conversation of it, ready to be used."""
        tab, self._tab = self._tab, None
        chat = ChatPage(tab or await self.context.new_page(), url or self.url)
        await chat.goto(path)
        return chat

    def expect(self, complaint: str) -> None:
        """From now on lines with this pattern are no failure of the page."""
        self._expected.append(re.compile(complaint))

    @property
    def complaints(self) -> list[str]:
        """Errors of the console and uncaught ones that nobody expected."""
        return [said for said in self._complaints if not any(known.search(said) for known in self._expected)]

    def forget(self) -> None:
        """The device is somebody else's from now on."""
        self.context.remove_listener("console", self._on_console)
        self.context.remove_listener("weberror", self._on_error)
        self.context.remove_listener("request", self._on_request)

    async def leave(self, results: Path | None) -> None:
        """Close everything. With a folder for *results*, first put there what the pages look like."""
        if results is not None:
            results.mkdir(parents=True, exist_ok=True)
            (results / "console.log").write_text("\n".join([*self.log, *self.foreign]))
            for number, page in enumerate(self.context.pages):
                await page.screenshot(path=results / f"page-{number}.png", timeout=5_000)
        await self.context.close()

    def _on_console(self, message: ConsoleMessage) -> None:
        said = f"{message.type}: {message.text} ({message.location.get('url', '')})"
        self.log.append(said)
        if message.type == "error":
            self._complain(said)

    def _on_error(self, error: WebError) -> None:
        self._complain(f"uncaught: {error.error}")

    def _complain(self, said: str) -> None:
        self.log.append(said)
        self._complaints.append(said)

    def _on_request(self, request: Request) -> None:
        self.asked.append(request.url)
        address = urlsplit(request.url)
        ours = {"127.0.0.1", "localhost", "headrace.test"}
        if address.scheme not in {"data", "blob", "about"} and address.hostname not in ours:
            self.foreign.append(request.url)
