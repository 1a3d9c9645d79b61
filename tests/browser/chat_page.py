"""The chat page as its reader knows it: what can be seen, and what can be done."""

import re
from typing import Any

from playwright.async_api import Locator, Page, expect


class ChatPage:
    """One tab with the chat page in English."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.box = page.get_by_role("textbox", name="Message", exact=True)
        self.send_button = page.get_by_role("button", name="Send", exact=True)
        self.stop_button = page.get_by_role("button", name="Stop", exact=True)
        self.sidebar = page.get_by_role("navigation", name="Conversations")
        self.thread = page.get_by_role("region", name="Messages")
        self.replies = page.locator("article.message.assistant")
        self.questions = page.locator("article.message.user")
        #: The newest reply, and its text.
        self.reply = self.replies.last
        # KaTeX has spans of that name.
        self.text = self.reply.locator("div.text")
        self.to_end = page.get_by_role("button", name="Back to the end")
        self.failure = page.get_by_role("alert")

    async def goto(self, path: str = "/") -> None:
        """Load an address of the gateway; returns once the page can be used."""
        await self.page.goto(self.url + path)
        await self.page.locator("#message").wait_for()

    async def go(self, path: str) -> None:
        """To another address as by a link of the page or the browser's way back: nothing is loaded anew."""
        await self.page.evaluate(
            "path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')); }",
            path,
        )

    async def reload(self) -> None:
        """As the browser's button does."""
        await self.page.reload()
        await self.page.locator("#message").wait_for()

    async def send(self, message: str) -> None:
        """Write *message* and send it."""
        await self.box.fill(message)
        await self.send_button.click()

    async def ask(self, message: str) -> None:
        """Send *message* and read the reply to its end."""
        async with self.page.expect_response("**/api/chat/stream"):
            await self.send(message)
        await self.whole()

    async def begun(self, words: int = 3) -> None:
        """Returns once the reply on its way has so many words."""
        await expect(self.text).to_have_text(re.compile(rf"(\S+\s+){{{words}}}"), timeout=15_000)

    async def whole(self, timeout_s: float = 20) -> None:
        """Returns once the newest reply is on its way no more."""
        await expect(self.reply).to_have_attribute("aria-busy", "false", timeout=timeout_s * 1000)
        await expect(self.stop_button).to_have_count(0)

    async def choose_model(self, name: str) -> None:
        """For the replies to come."""
        await self.page.get_by_role("combobox", name="Model").select_option(name)

    async def said(self) -> str:
        """The newest reply's text, its white space as single spaces."""
        return " ".join((await self.text.inner_text()).split())

    @property
    def conversation_id(self) -> str:
        """As the address has it."""
        _, found, conversation_id = self.page.url.partition("/c/")
        assert found, self.page.url
        return conversation_id

    def conversation(self, title: str) -> Locator:
        """Its place in the list at the side."""
        return self.sidebar.get_by_role("listitem").filter(has_text=title)

    async def evaluate(self, script: str, argument: Any = None) -> Any:
        """What *script* gives in the page."""
        return await self.page.evaluate(script, argument)
