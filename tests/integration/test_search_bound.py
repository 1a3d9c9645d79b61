"""A search reads so many messages and no more, and says when that was the end of it."""

import pytest
from aiohttp import ClientSession

from gateway.dialects.native import search
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local


async def test_a_search_at_its_bound(
    local: Local, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages beyond the bound are not found and the answer says so; titles still are."""
    await local.start()
    chat = ChatClient(session, local.url)
    for name, words in (("old", "needle one"), ("titled", "needle"), ("new", "hay two")):
        await chat.ask(script(text="first"), conversation_id=name)
        await chat.ask(script(text=words), conversation_id=name)
    await chat.call("PATCH", "/api/conversations/titled", json={"title": "A needle"})
    await chat.call("PATCH", "/api/conversations/old", json={"title": "Old"})

    async def found(most: int) -> tuple[list[str], bool]:
        monkeypatch.setattr(search, "_MOST_MESSAGES", most)
        body = (await chat.call("GET", "/api/conversations?q=NEEDLE")).body
        return [each["id"] for each in body["conversations"]], body.get("incomplete", False)

    assert await found(9) == (["titled", "old"], False)
    pages = [(await chat.call("GET", "/api/conversations?q=needle&limit=1")).body]
    pages += [(await chat.call("GET", f"/api/conversations?q=needle&limit=1&before={pages[0]['next']}")).body]
    assert [each["id"] for page in pages for each in page["conversations"]] == ["titled", "old"]
    assert await found(4) == (["titled"], True)
    assert await found(5) == (["titled", "old"], True)
