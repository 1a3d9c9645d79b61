"""What a conversation has used, and copies of it."""

from aiohttp import ClientSession

from tests.integration.test_blobs import HASH, PNG, upload
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.stack import MODELS

_PRICED = """
[models.priced]
backend = "scripted"
parameters = { rate = 0, length = 10 }
prices = { prompt = 0, completion = 1000 }
"""


async def test_spent(local: Local, session: ClientSession) -> None:
    """All replies count: those replaced by others, stopped ones, and those of models without a price."""
    chat = ChatClient(session, await local.start(MODELS + _PRICED))
    first = await chat.ask("Hello", conversation_id="c1", model="priced")
    await chat.ask("Hello", conversation_id="c1", model="priced", replaces=first.generation_id)
    async with await chat.send(script(length=500, rate=50), conversation_id="c1") as reader:
        await reader.until("chunk", 3)
        await chat.cancel(reader.generation_id)
        await reader.all()
    spent = (await chat.conversation("c1"))["spent"]
    stopped = (await chat.status(reader.generation_id))["usage"]["completion_tokens"]
    assert spent["usage"]["completion_tokens"] == 20 + stopped
    assert spent["usage"]["estimated"]
    assert spent["cost"] == 0.02
    assert "spent" not in (await chat.call("GET", "/api/conversations")).body["conversations"][0]


async def test_a_copy(chat: ChatClient, session: ClientSession) -> None:
    """The same messages, branches, settings and pictures; what is said in one is not said in the other."""
    name = await upload(chat, PNG)
    first = await chat.ask(script(length=1), conversation_id="c1", settings={"temperature": 0.5})
    said = [{"type": "image", "blob": name}]
    await chat.ask(said, conversation_id="c1", replaces=first.generation_id)
    made = await chat.call("POST", "/api/conversations/c1/fork")
    assert made.status == 201
    path = f"/api/conversations/{made.body['id']}"
    for_both = "?branches=true"
    before = (await chat.call("GET", f"/api/conversations/c1{for_both}")).body
    copy = (await chat.call("GET", path + for_both)).body
    assert {key: copy[key] for key in ("messages", "branchings", "branches")} == {
        key: before[key] for key in ("messages", "branchings", "branches")
    }
    assert copy["conversation"]["settings"] == {"temperature": 0.5}
    await chat.ask(script(length=2), conversation_id=made.body["id"])
    await chat.call("DELETE", "/api/conversations/c1")
    assert (await chat.call("HEAD", f"/api/blobs/{HASH}")).status == 200
    assert len((await chat.call("GET", path)).body["messages"]) == 4
    async with await chat.send(script(rate=10), conversation_id="c2") as reader:
        await reader.until("chunk")
        busy = await chat.call("POST", "/api/conversations/c2/fork")
        assert (busy.status, busy.error["code"]) == (409, "busy")
        await chat.cancel(reader.generation_id)
