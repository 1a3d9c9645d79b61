"""What is too much is refused at the door, with the time to come back."""

from aiohttp import ClientSession

from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.stack import MODELS

LONG = script(length=1000, rate=50)


async def test_open_streams(local: Local, session: ClientSession) -> None:
    """Beyond the limit a stream is 429 with `Retry-After`, and room again once one closes."""
    await local.start(max_open_streams=2)
    chat = ChatClient(session, local.url)
    first, second = await chat.send(LONG), await chat.send(LONG, conversation_id="c2")
    for refused in (
        await chat.submit(),
        await chat.call("GET", f"/api/chat/{first.generation_id}/stream"),
        await chat.call("GET", "/api/conversations/c2/stream"),
    ):
        assert refused.status == 429
        assert refused.error["code"] == "too_busy"
        assert refused.error["retryable"] is True
        assert int(refused.headers["Retry-After"]) >= 1
    whole = {"messages": [{"role": "user", "content": "Hello"}]}
    assert (await chat.call("POST", "/v1/chat/completions", json=whole)).status == 429
    second.cut()
    await eventually(lambda: local.state.relay.open_streams == 1, "the gateway notices that a reader left")
    async with await chat.resume(first.generation_id) as third:
        assert third.status == 200
    first.cut()


async def test_queued_generations(local: Local, session: ClientSession) -> None:
    """Beyond the limit of waiting generations a submission is 429 with `Retry-After`."""
    await local.start(worker=False, max_queued=2)
    chat = ChatClient(session, local.url)
    readers = [await chat.send(), await chat.send()]
    refused = await chat.submit(conversation_id="c1")
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await chat.call("GET", "/api/conversations/c1")).status == 404
    async with await chat.send(model="plain") as other_queue:
        assert other_queue.status == 200
    await local.start_worker()
    for reader in readers:
        await reader.all()
        assert reader.end.type == "end"


async def test_concurrency_of_a_model(local: Local, session: ClientSession) -> None:
    """Past a model's concurrency messages wait, are told their place, and follow in order."""
    await local.start(MODELS)
    chat = ChatClient(session, local.url)
    async with await chat.send(script(length=60, rate=50), model="single") as running:
        await running.until("chunk")
        waiting = [await chat.send(script(length=2), model="single") for _ in range(2)]
        for place, reader in enumerate(waiting, 1):
            queued = await reader.next()
            assert queued is not None
            assert (queued.id, queued.type) == (None, "queued")
            assert queued.data["metadata"] == {"position": place}
        await running.all()
        for reader in waiting:
            await reader.all()
            assert reader.ids == ["1-0", "1-1", "1-2", "1-3"]
    states = [await chat.status(reader.generation_id) for reader in waiting]
    assert states[0]["ended_ms"] <= states[1]["started_ms"]


async def test_max_tokens(chat: ChatClient) -> None:
    """`max_tokens` reaches the model."""
    reader = await chat.ask(script(length=50), max_tokens=7)
    assert reader.end.data["metadata"]["finish_reason"] == "length"
    assert reader.end.data["metadata"]["usage"]["completion_tokens"] == 7


async def test_a_log_that_grows_too_large(local: Local, session: ClientSession) -> None:
    """Past its bound a generation fails with `log_too_large`; what it said stays."""
    await local.start(max_log_bytes=5_000)
    reader = await ChatClient(session, local.url).ask(script(length=1000))
    assert reader.end.data["metadata"]["code"] == "log_too_large"
    assert 1_000 < len(reader.raw) < 40_000
    assert reader.text
