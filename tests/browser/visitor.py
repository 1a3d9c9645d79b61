"""A reader with a browser of its own: clean profile, and an eye on everything the page complains about."""

import re
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Request

from tests.browser.chat_page import ChatPage

#: What the browser itself logs while a server or the network is away.
GONE = r"net::ERR_(CONNECTION_|INTERNET_DISCONNECTED|NETWORK_|EMPTY_RESPONSE|INCOMPLETE_CHUNKED|SOCKET_)"


class Visitor:
    """One context of the browser, which is one device; its pages share cookies, storage and channels."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        #: Everything its consoles said, in order.
        self.log: list[str] = []
        #: Requests to other origins than the gateways', `data:` and `blob:` left out.
        self.foreign: list[str] = []
        #: All requests.
        self.asked: list[str] = []
        self._complaints: list[str] = []
        self._expected: list[re.Pattern[str]] = []

    @classmethod
    async def arrive(cls, browser: Browser, url: str, **options: Any) -> Self:
        """With a new device; *options* are Playwright's for a context."""
        context = await browser.new_context(**{"locale": "en-GB", **options})
        context.set_default_timeout(10_000)
        visitor = cls(context, url)
        context.on("console", visitor._on_console)
        context.on("weberror", lambda error: visitor._complain(f"uncaught: {error.error}"))
        context.on("request", visitor._on_request)
        return visitor

    async def open(self, path: str = "/", url: str | None = None) -> ChatPage:
        """A new tab with the chat page, or with a conversation of it, ready to be used."""
        chat = ChatPage(await self.context.new_page(), url or self.url)
        await chat.goto(path)
        return chat

    def expect(self, complaint: str) -> None:
        """From now on lines with this pattern are no failure of the page."""
        self._expected.append(re.compile(complaint))

    @property
    def complaints(self) -> list[str]:
        """Errors of the console and uncaught ones that nobody expected."""
        return [said for said in self._complaints if not any(known.search(said) for known in self._expected)]

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

    def _complain(self, said: str) -> None:
        self.log.append(said)
        self._complaints.append(said)

    def _on_request(self, request: Request) -> None:
        self.asked.append(request.url)
        address = urlsplit(request.url)
        ours = {"127.0.0.1", "localhost"}
        if address.scheme not in {"data", "blob", "about"} and address.hostname not in ours:
            self.foreign.append(request.url)
