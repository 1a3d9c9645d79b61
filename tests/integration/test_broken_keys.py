"""A key of another kind in a generation's place harms that generation alone, and is said."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientSession
from structlog.testing import capture_logs

from shared import keys
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from worker.backends.script import expected_text

SILENT = script(first_token_delay_s=60)
WRITING = script(length=1000, rate=50)


@contextmanager
def broken(redis: Any, key: str) -> Iterator[None]:
    """Something else has taken *key*, for as long as the block lasts; then it is as it was."""
    with redis.pipeline() as step:
        step.rename(key, key + ":aside").set(key, "of another kind", px=60_000).execute()
    yield
    if redis.exists(key + ":aside"):
        redis.rename(key + ":aside", key)


@pytest.mark.parametrize("message", [SILENT, WRITING], ids=["renewal", "append"])
async def test_a_log(local: Local, session: ClientSession, message: str) -> None:
    """Whichever meets it first says so; others are taken and answered, and repaired, it goes on."""
    await local.start(lease_s=0.4)
    chat = ChatClient(session, local.url)
    async with await chat.send(message) as reader:
        await reader.until("start")
        with capture_logs() as said, broken(local.redis, keys.LOG + reader.generation_id):
            for word in ("a log cannot be written", "a key of another kind is in a generation's place"):
                wanted = {"generation": reader.generation_id, "event": word, "log_level": "error"}
                await eventually(lambda wanted=wanted: wanted in said, lambda: said)  # type: ignore[misc]
            assert (await chat.ask(script(length=3))).text == expected_text({"length": 3})
            told = [line for line in said if line.get("generation") == reader.generation_id]
            assert len(told) < 10, "it is not said again with every look"
        await eventually(lambda: attempt(local, reader.generation_id) > 1, "it is taken again")
        assert (await chat.cancel(reader.generation_id)).body["status"] == "cancelled"


async def test_a_log_beside_others(local: Local, session: ClientSession) -> None:
    """What is written in the same moment, and renewed with it, stays with its worker."""
    await local.start(lease_s=0.4, cancel_wait_s=0.1)
    chat = ChatClient(session, local.url)
    async with await chat.send(WRITING) as reader, await chat.send(WRITING) as other:
        await other.until("chunk")
        with capture_logs() as said, broken(local.redis, keys.LOG + reader.generation_id):
            await eventually(lambda: any("cannot be written" in line["event"] for line in said), lambda: said)
            await other.until("chunk", 40)
            local.redis.delete(keys.LOG + reader.generation_id + ":aside")
            await eventually(lambda: stopped(chat, reader.generation_id), "it is stopped")
        assert {position.partition("-")[0] for position in other.ids} == {"1"}
        assert not [line for line in said if line.get("generation") == other.generation_id]


async def stopped(chat: ChatClient, generation_id: str) -> bool:
    """Whether it could be, by now."""
    return (await chat.cancel(generation_id)).status == 200


async def test_a_log_that_is_stopped(local: Local, session: ClientSession) -> None:
    """Stop ends it without its text, once its worker has let go: its log is one `end`."""
    await local.start(lease_s=0.4, cancel_wait_s=0.1)
    chat = ChatClient(session, local.url)
    async with await chat.send(WRITING) as reader:
        await reader.until("chunk")
    with broken(local.redis, keys.LOG + reader.generation_id):
        await eventually(lambda: stopped(chat, reader.generation_id), "it is stopped")
        assert (await chat.status(reader.generation_id))["state"] == "cancelled"
        local.redis.delete(keys.LOG + reader.generation_id + ":aside")
    async with await chat.resume(reader.generation_id) as again:
        await again.all()
    assert [frame.type for frame in again.frames] == ["end"]


async def test_a_log_that_nobody_repairs(local: Local, session: ClientSession) -> None:
    """Its readers get an end all the same, when their worker is given up."""
    await local.start(lease_s=0.4, heartbeat_s=0.2, worker_silence_limit_s=1)
    chat = ChatClient(session, local.url)
    async with await chat.send(SILENT) as reader, await chat.send(WRITING) as other:
        await reader.until("start")
        with broken(local.redis, keys.LOG + reader.generation_id):
            await reader.all()
            local.redis.delete(keys.LOG + reader.generation_id + ":aside")
        assert reader.end.data["metadata"]["code"] == "worker_lost"
        await other.until("chunk")


async def test_a_record(local: Local, session: ClientSession) -> None:
    """Of a record that cannot be read the stream breaks off; all others are taken and answered."""
    await local.start(worker=False, lease_s=0.4, heartbeat_s=0.2)
    chat = ChatClient(session, local.url)
    async with await chat.send() as reader, await chat.send(script(length=3)) as other:
        await reader.until("queued")
        with broken(local.redis, keys.RECORD + reader.generation_id):
            await local.start_worker(lease_s=0.4)
            await other.all()
            with pytest.raises(ClientPayloadError):
                await reader.all()
        await eventually(lambda: attempt(local, reader.generation_id) > 0, "it is taken")
        await eventually(lambda: chat.ended(reader.generation_id), "it is answered")
    assert other.text == expected_text({"length": 3})


@pytest.mark.parametrize(("name", "next_end"), [(keys.CONVERSATION, "end"), (keys.MESSAGES, "error")])
async def test_a_conversation(local: Local, session: ClientSession, name: str, next_end: str) -> None:
    """
    What answers there ends as any other, at once and once; so does who waits for it.

    Only one whose prompt was in what is gone fails, and says so.
    """
    await local.start(lease_s=0.4)
    chat = ChatClient(session, local.url)
    fields: dict[str, Any] = {"conversation_id": "c1", "on_busy": "queue"}
    async with (
        await chat.send(script(length=40, rate=40), **fields) as reader,
        await chat.send(script(length=60, rate=40)) as other,
        await chat.send(script(length=3), **fields) as waiting,
    ):
        await reader.until("chunk", 3)
        [key] = local.redis.keys(f"{name}*:c1")
        with broken(local.redis, key.decode()):
            for each in (reader, waiting, other):
                await each.all(timeout_s=5)  # long before a heartbeat would look for an end
        assert [each.end.type for each in (reader, waiting, other)] == ["end", next_end, "end"]
        assert {position.partition("-")[0] for position in reader.ids + other.ids} == {"1"}
        assert (await chat.status(reader.generation_id))["state"] == "done"


async def test_the_watch_goes_on(local: Local, session: ClientSession) -> None:
    """The others still hear their places in the queue from a gateway that met the broken key."""
    await local.start(worker=False, heartbeat_s=0.2)
    chat = ChatClient(session, local.url)
    async with await chat.send() as reader, await chat.send() as other:
        await reader.until("queued")
        await other.until("queued")
        with broken(local.redis, keys.RECORD + reader.generation_id):
            with pytest.raises(ClientPayloadError):
                await reader.all()
            async with await chat.resume(other.generation_id) as again:
                await again.until("queued")
                assert await again.comment() == "hb queued=2"


def attempt(local: Local, generation_id: str) -> int:
    """How often it was taken."""
    return int(local.redis.hget(keys.RECORD + generation_id, "attempt") or 0)
