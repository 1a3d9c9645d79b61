"""`GET /api/chat/{generation_id}`: how a generation stands, while it runs and after."""

from aiohttp import ClientSession

from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local


async def test_while_running(chat: ChatClient, elsewhere: ChatClient) -> None:
    """A running generation tells its text and position so far."""
    async with await chat.send(script(length=9, stall_after=4), conversation_id="c1") as reader:
        await reader.until("chunk", 4)
        status = await elsewhere.status(reader.generation_id)
    assert status["state"] == "running"
    assert status["text"] == reader.text
    assert status["position"] == reader.last_id == "1-4"
    assert status["conversation_id"] == "c1"
    assert status["created_ms"] <= status["started_ms"] <= status["first_token_ms"]
    assert status["ended_ms"] is status["finish_reason"] is status["usage"] is status["error"] is None


async def test_when_done(chat: ChatClient) -> None:
    """An ended generation tells how it ended, what it cost and when."""
    reader = await chat.ask(script(length=4))
    status = await chat.status(reader.generation_id)
    assert status["state"] == "done"
    assert status["text"] == reader.text
    assert status["position"] == reader.last_id
    assert status["finish_reason"] == "stop"
    assert status["usage"] == reader.end.data["metadata"]["usage"]
    assert status["model"] == "scripted"
    assert status["attempts"] == 1
    assert status["first_token_ms"] <= status["ended_ms"]


async def test_counts_of_nothing(chat: ChatClient) -> None:
    """A reply without a word is said to have none, wherever its counts are told."""
    reader = await chat.ask(script(length=0), conversation_id="c1")
    told = reader.end.data["metadata"]["usage"]
    assert told["completion_tokens"] == 0
    kept = await chat.conversation("c1")
    assert (await chat.status(reader.generation_id))["usage"] == told
    assert (await chat.cancel(reader.generation_id)).body["usage"] == told
    assert kept["messages"][-1]["usage"] == kept["spent"]["usage"] == told


async def test_when_failed(chat: ChatClient) -> None:
    """A failed generation tells why, beside the text it has."""
    reader = await chat.ask(script(length=9, fail_after=3, fail_code="upstream_invalid"))
    status = await chat.status(reader.generation_id)
    assert status["state"] == "failed"
    assert status["error"] == {"code": "upstream_invalid", "message": reader.end.data["content"]}
    assert status["text"] == reader.text != ""


async def test_when_queued(local: Local, session: ClientSession) -> None:
    """A queued generation has nothing to tell yet."""
    await local.start(worker=False)
    chat = ChatClient(session, local.url)
    async with await chat.send() as reader:
        status = await chat.status(reader.generation_id)
    assert (status["state"], status["text"], status["position"]) == ("queued", "", None)
    assert status["started_ms"] is None


async def test_an_expired_log(local: Local, session: ClientSession) -> None:
    """Once the log has expired a resume is 410 with the place of the text, which the record still has."""
    await local.start(log_retention_s=1)
    chat = ChatClient(session, local.url)
    reader = await chat.ask(script(length=4))
    await eventually(lambda: not local.redis.exists(f"hr:log:{reader.generation_id}"), "the log expires", 3)
    gone = await chat.call("GET", f"/api/chat/{reader.generation_id}/stream")
    assert gone.status == 410
    assert gone.error["code"] == "gone"
    assert gone.error["detail"] == {"location": f"/api/chat/{reader.generation_id}"}
    assert (await chat.status(reader.generation_id))["text"] == reader.text


async def test_an_expired_record(local: Local, session: ClientSession) -> None:
    """Once the record has expired too there is nothing under its id."""
    await local.start(log_retention_s=1, record_retention_s=1)
    chat = ChatClient(session, local.url)
    reader = await chat.ask(script(length=4))
    await eventually(
        lambda: not local.redis.exists(f"hr:gen:{reader.generation_id}"), "the record expires", 3
    )
    for method, path in (("GET", ""), ("GET", "/stream"), ("POST", "/cancel")):
        assert (await chat.call(method, f"/api/chat/{reader.generation_id}{path}")).status == 404
