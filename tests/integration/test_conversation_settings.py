"""A conversation's settings hold for its messages, where those do not say otherwise."""

from typing import Any

from aiohttp import ClientSession

from tests.kit.chat_client import ChatClient
from tests.kit.local import Local
from tests.kit.stack import upstream_model
from tests.kit.upstream import FakeUpstream


async def change(chat: ChatClient, body: dict[str, Any], conversation_id: str = "c1") -> tuple[int, Any]:
    """PATCH the conversation."""
    answer = await chat.call("PATCH", f"/api/conversations/{conversation_id}", json=body)
    return answer.status, answer.body


async def test_what_the_model_is_asked(local: Local, session: ClientSession) -> None:
    """They come with the first message, are changed later, and give way to what a message says itself."""
    async with FakeUpstream(echo=True) as upstream:
        await local.start(
            upstream_model(upstream.url, "first", system_prompt="Be brief.", max_tokens=50)
            + upstream_model(upstream.url, "second")
        )
        chat = ChatClient(session, local.url)
        settings = {"system_prompt": "Say it in Latin.", "temperature": 0.25, "max_tokens": 9}
        await chat.ask("one", conversation_id="c1", settings=settings)
        sent = upstream.requests[-1].body
        assert sent["messages"][0] == {"role": "system", "content": "Be brief.\n\nSay it in Latin."}
        assert (sent["temperature"], sent["max_tokens"], sent["model"]) == (0.25, 9, "first")
        assert (await chat.conversation("c1"))["conversation"]["settings"] == settings
        await chat.ask("two", conversation_id="c1", max_tokens=7)
        sent = upstream.requests[-1].body
        assert (sent["temperature"], sent["max_tokens"]) == (0.25, 7)
        status, headline = await change(chat, {"settings": {"model": "second"}})
        assert (status, headline["settings"]) == (200, {"model": "second"})
        await chat.ask("three", conversation_id="c1")
        sent = upstream.requests[-1].body
        assert sent["model"] == "second"
        assert sent["messages"][0]["role"] == "user" and "temperature" not in sent
        await change(chat, {"settings": {}})
        assert "settings" not in (await chat.conversation("c1"))["conversation"]
        await chat.ask("four", conversation_id="c2")
        assert upstream.requests[-1].body["model"] == "first"


async def test_refused(chat: ChatClient, elsewhere: ChatClient) -> None:
    """What is no setting is refused by name, and nothing changes; a new ETag tells of what has."""
    await chat.ask(conversation_id="c1")
    before = await chat.call("GET", "/api/conversations/c1")
    for body, code in (
        ({"settings": {"model": "none"}}, "unknown_model"),
        ({"settings": {"temperature": 3}}, "invalid_request"),
        ({"settings": {"max_tokens": 0}}, "invalid_request"),
        ({"settings": {"colour": "red"}}, "invalid_request"),
        ({"title": ""}, "invalid_request"),
        ({}, "invalid_request"),
    ):
        answer = await chat.call("PATCH", "/api/conversations/c1", json=body)
        assert (answer.status, answer.error["code"]) == (400, code), body
    after = await elsewhere.call("GET", "/api/conversations/c1")
    assert (after.body, after.headers["ETag"]) == (before.body, before.headers["ETag"])
    assert (await change(chat, {"settings": {"temperature": 1}}, "c2"))[0] == 404
    assert (await change(chat, {"settings": {"temperature": 1}, "title": "Warm"}))[0] == 200
    changed = await elsewhere.call("GET", "/api/conversations/c1")
    assert changed.headers["ETag"] != before.headers["ETag"]
    assert changed.body["conversation"]["title"] == "Warm"
