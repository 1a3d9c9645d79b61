"""Names that others see, of each kind: what hides or turns a line is left out, languages stay whole."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession

from shared.api_keys import Wanted
from shared.errors import InvalidRequest
from tests.kit.chat_client import ChatClient
from tests.kit.local import Local
from tests.kit.room_client import member

GIVEN = "\u202eAnn\u2066\u200b\x9b\n\u05e9\u05dc\u05dd\u200f 👩\u200d💻\ufeff\u2028\u0645\u06cc\u200c\u062e"
SHOWN = "Ann \u05e9\u05dc\u05dd 👩\u200d💻 \u0645\u06cc\u200c\u062e"
NOTHING = "\u202e\u200b\u2069"


async def from_a_message(chat: ChatClient, name: str) -> Any:
    """A conversation is called after its first message."""
    await chat.ask(name, conversation_id="c1")
    return (await chat.conversation("c1"))["conversation"]["title"]


async def renamed(chat: ChatClient, name: str) -> Any:
    """A conversation's new title."""
    await chat.ask(conversation_id="c1")
    answer = await chat.call("PATCH", "/api/conversations/c1", json={"title": name})
    return answer.body["title"] if answer.status == 200 else answer


async def imported(chat: ChatClient, name: str) -> Any:
    """The title of an archive, and a file's name in it."""
    part = {"type": "file", "blob": "0" * 64, "content_type": "text/plain", "size": 1, "name": name, "at": 0}
    said = {"role": "user", "generation_id": "gen_1", "content": "Hi", "ts": 1, "parts": [part]}
    archive = {"format": "headrace.conversation", "version": 1, "title": name, "messages": [said]}
    made = await chat.call("POST", "/api/conversations/import", json=archive)
    kept = await chat.conversation(made.body["id"])
    file = kept["messages"][0]["parts"][0].get("name", "")
    assert file == kept["conversation"]["title"].replace("…", "")
    return kept["conversation"]["title"]


async def of_openai(chat: ChatClient, name: str) -> Any:
    """A conversation that OpenAI's clients make."""
    item = {"type": "message", "role": "user", "content": name}
    made = (await chat.call("POST", "/v1/conversations", json={"items": [item]})).body
    return (await chat.conversation(made["id"]))["conversation"]["title"]


async def of_a_file(chat: ChatClient, name: str) -> Any:
    """A file of a message."""
    blob = (await chat.call("POST", "/api/blobs", data=b"a text")).body["blob"]
    await chat.ask([{"type": "file", "blob": blob, "name": f"dir/{name}"}], conversation_id="c1")
    return (await chat.conversation("c1"))["messages"][0]["parts"][0].get("name", "")


async def of_a_room(chat: ChatClient, name: str) -> Any:
    """A room's title."""
    return (await chat.call("POST", "/api/rooms", json={"title": name})).body["title"]


@pytest.mark.parametrize(
    ("kind", "of_nothing"),
    [
        (from_a_message, ""),
        (imported, "…"),
        (of_openai, ""),
        (of_a_file, ""),
        (of_a_room, ""),
        (renamed, None),
    ],
    ids=lambda kind: getattr(kind, "__name__", ""),
)
async def test_shown(
    chat: ChatClient, kind: Callable[[ChatClient, str], Awaitable[Any]], of_nothing: str | None
) -> None:
    """As `shared/names.py` has it; of a name of which nothing is seen there is nothing, or a refusal."""
    assert await kind(chat, GIVEN) == SHOWN
    await chat.call("DELETE", "/api/conversations/c1")
    nothing = await kind(chat, NOTHING)
    if of_nothing is None:
        assert (nothing.status, nothing.error["field"]) == (400, "title")
    else:
        assert nothing == of_nothing


async def test_of_a_member(chat: ChatClient, session: ClientSession) -> None:
    """Of a room, as the others hear it; also in what they say."""
    async with member(session, chat.url, "r", "ann", name=GIVEN) as ann:
        assert (await ann.until("user_joined"))["name"] == SHOWN
    refused = await chat.call("GET", f"/ws/r?name={NOTHING}", headers={"Connection": "upgrade"})
    assert (refused.status, refused.error["field"]) == (400, "name")


async def test_of_keys(local: Local, session: ClientSession) -> None:
    """A key's label is cleaned; a tenant's and a user's name, which identify, are refused."""
    await local.start(worker=False)
    made, _ = await local.state.api_keys.create(
        Wanted(tenant="acme", user="Zoë 水 👩\u200d💻", label=GIVEN), "me"
    )
    assert made.label == SHOWN
    for wanted in (
        Wanted(tenant="ac\u200bme"),
        Wanted(tenant="acme", user="an\u202en"),
        Wanted(tenant="a\x9b"),
    ):
        with pytest.raises(InvalidRequest):
            await local.state.api_keys.create(wanted, "me")
