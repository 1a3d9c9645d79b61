"""
Devices that one test passes on to the next.

A new one costs a second of a processor: a process, a profile, and the page's scripts compiled anew. An
emptied one costs a fifth of that. Storage, permissions, network, tabs and history are those of a new one; its
HTTP cache is warm, and a tab's `sessionStorage` stays, which the page does not use. What cannot be taken
back, options and scripts that run in every page, is what it is chosen by.
"""

from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, CDPSession, Page, ViewportSize

#: Of those that wait for a test; each has a process.
_MOST_KEPT = 6
_SCREEN = ViewportSize(width=1280, height=720)


async def new(browser: Browser, script: str = "", **options: Any) -> BrowserContext:
    """One in English, with Playwright's *options* for a context; *script* runs first in every page."""
    context = await browser.new_context(**{"locale": "en-GB", **options})
    context.set_default_timeout(10_000)
    if script:
        await context.add_init_script(script)
    return context


class Device:
    """One with a tab that is blank whenever it is given to somebody."""

    def __init__(self, kind: str, context: BrowserContext, tab: Page) -> None:
        self.kind = kind
        self.context = context
        self.tab = tab
        self._screen = tab.viewport_size or _SCREEN
        self._devtools: CDPSession | None = None

    async def empty(self, asked: list[str]) -> None:
        """Make it as if nobody had used it, who *asked* for these addresses."""
        for page in self.context.pages:
            if page != self.tab:
                await page.close()
        await self.context.set_offline(False)
        await self.context.unroute_all()
        await self.context.clear_permissions()
        await self.context.clear_cookies()
        # Nothing is below the mouse of a new one.
        await self.tab.mouse.move(-1, -1)
        await self.tab.goto("about:blank")
        if self.tab.viewport_size != self._screen:
            await self.tab.set_viewport_size(self._screen)
        devtools = self._devtools = self._devtools or await self.context.new_cdp_session(self.tab)
        for origin in {f"{at.scheme}://{at.netloc}" for at in map(urlsplit, asked) if at.scheme == "http"}:
            await devtools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        await devtools.send("Page.resetNavigationHistory")


class Devices:
    """Those of one browser."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        #: Who has waited longest is first.
        self._waiting: list[Device] = []

    async def take(self, script: str = "", **options: Any) -> Device:
        """An empty one, as `new` makes them."""
        kind = repr((script, sorted(options.items())))
        for device in self._waiting:
            if device.kind == kind:
                self._waiting.remove(device)
                return device
        context = await new(self._browser, script, **options)
        return Device(kind, context, await context.new_page())

    async def give_back(self, device: Device, asked: list[str]) -> None:
        """For another test; *asked* has the addresses that it has asked for."""
        await device.empty(asked)
        self._waiting.append(device)
        if len(self._waiting) > _MOST_KEPT:
            await self._waiting.pop(0).context.close()
