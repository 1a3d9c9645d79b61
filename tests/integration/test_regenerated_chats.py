"""A reply that a page of the AI SDK regenerates takes the old one's place in our record of the chat."""

from typing import Any

from aiohttp import ClientSession

from tests.kit.chat_client import ChatClient, script

ONE, TWO = script(text="one"), script(text="two")


async def ask(session: ClientSession, chat: ChatClient, *said: str, **fields: Any) -> str:
    """Send a chat of users' messages and the replies to them; gives the new reply's id."""
    roles = ("user", "assistant")
    messages = [
        {"id": f"m{i}", "role": roles[i % 2], "parts": [{"type": "text", "text": text}]}
        for i, text in enumerate(said)
    ]
    async with session.post(
        f"{chat.url}/api/ui/chat", json={"id": "c1", "messages": messages, **fields}
    ) as answer:
        assert answer.status == 200, await answer.text()
        await answer.read()
        return answer.headers["X-Generation-Id"]


async def recorded(chat: ChatClient) -> list[tuple[str, str]]:
    """The texts of the chat's messages, and the generations they are of."""
    return [(m["content"], m["generation_id"]) for m in (await chat.conversation("c1"))["messages"]]


async def test_by_its_id(chat: ChatClient, session: ClientSession) -> None:
    """The message's id is its generation's, so any reply can be replaced, with what followed it."""
    first = await ask(session, chat, ONE)
    await ask(session, chat, ONE, "one", TWO)
    again = {"trigger": "regenerate-message", "messageId": first}
    third = await ask(session, chat, ONE, **again)
    assert await recorded(chat) == [(ONE, third), ("one", third)]


async def test_without_an_id(chat: ChatClient, session: ClientSession) -> None:
    """The last reply is meant where no id, or one of the page's own, is given."""
    first = await ask(session, chat, ONE)
    await ask(session, chat, ONE, "one", TWO)
    for fields in ({}, {"messageId": "m3"}):
        new = await ask(session, chat, ONE, "one", TWO, trigger="regenerate-message", **fields)
        assert await recorded(chat) == [(ONE, first), ("one", first), (TWO, new), ("two", new)]


async def test_of_what_we_do_not_know(chat: ChatClient, session: ClientSession) -> None:
    """A page may have a history that we have not: nothing is taken back that might be another turn."""
    first = await ask(session, chat, ONE)
    second = await ask(session, chat, TWO, trigger="regenerate-message")
    assert await recorded(chat) == [(ONE, first), ("one", first), (TWO, second), ("two", second)]


async def test_an_unknown_chat(chat: ChatClient, session: ClientSession) -> None:
    """It begins with the regenerated turn."""
    only = await ask(session, chat, ONE, trigger="regenerate-message", messageId="m1")
    assert await recorded(chat) == [(ONE, only), ("one", only)]


async def test_interrupted(chat: ChatClient, session: ClientSession) -> None:
    """A reply under way is stopped for it, and leaves no word behind."""
    async with await chat.send(script(length=1000, rate=100), conversation_id="c1") as first:
        await first.until("chunk")
        fields = {"trigger": "regenerate-message", "messageId": first.generation_id}
        second = await ask(session, chat, ONE, **fields)
        await first.all()
    assert await recorded(chat) == [(ONE, second), ("one", second)]
