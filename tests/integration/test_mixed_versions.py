"""P18: versions one apart run together: what a process does not know is skipped and counted, never fatal."""

import json
from typing import Any

import pytest
from aiohttp import ClientSession

from shared import keys, metrics
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from worker.backends.script import expected_text

ENDING = {
    "type": "end",
    "ts": 9,
    "finish_reason": "stop",
    "usage": {"completion_tokens": 2},
    "weather": "fine",
}
#: A log as a newer worker may write it: events that nobody here knows, and known ones with more in them.
NEWER: list[dict[str, Any]] = [
    {"type": "start", "ts": 1, "model": "m", "region": "north"},
    {"type": "text", "ts": 2, "text": "one", "colour": {"is": ["red"]}},
    {"type": "gust", "ts": 3, "to": "elsewhere"},
    {"type": "text", "ts": 4, "text": " two"},
    {"type": "text", "ts": "late", "text": " three"},
]


def skips(what: str) -> float:
    """How often this process has skipped something of that kind."""
    return metrics.skipped.labels(what).value


async def queued_generation(local: Local, session: ClientSession, model: str = "scripted") -> str:
    """A generation that no worker of this version takes."""
    answer = await ChatClient(session, local.url).call(
        "POST", "/v1/responses", json={"input": "x", "background": True, "model": model}
    )
    generation_id: str = "gen_" + answer.body["id"].removeprefix("resp_")
    local.redis.zrem(keys.QUEUE + model, generation_id)
    local.redis.hset(keys.RECORD + generation_id, "state", "running")
    local.redis.zadd(keys.QUEUE + model, {generation_id: 10**14})
    return generation_id


def write(local: Local, generation_id: str, events: list[dict[str, Any]], first: int = 0) -> None:
    """Append and publish as the scripts do."""
    for seq, event in enumerate(events, first):
        raw = json.dumps(event)
        local.redis.xadd(keys.LOG + generation_id, {"e": raw}, id=f"1-{seq}")
        local.redis.publish(keys.LIVE + generation_id, f"1-{seq} {raw}")
    local.redis.expire(keys.LOG + generation_id, 60)


def close(local: Local, generation_id: str) -> None:
    """The record's end."""
    local.redis.hset(
        keys.RECORD + generation_id,
        mapping={"state": "done", "text": "one two", "finish_reason": "stop", "usage": "{}"},
    )
    local.redis.zrem(keys.QUEUE + "scripted", generation_id)


@pytest.mark.parametrize("live", [True, False])
async def test_an_unknown_event_ends_nothing(local: Local, session: ClientSession, live: bool) -> None:
    """A gateway that meets events of a newer worker gives what it knows, and keeps every stream."""
    await local.start(worker=False)
    chat = ChatClient(session, local.url)
    generation_id = await queued_generation(local, session)
    other = await queued_generation(local, session)
    before = skips("event")
    if not live:
        write(local, generation_id, NEWER)
    async with await chat.resume(generation_id) as reader, await chat.resume(other) as bystander:
        if live:
            write(local, generation_id, NEWER)
        await reader.until("chunk", 2)
        write(local, generation_id, [ENDING], len(NEWER))
        close(local, generation_id)
        await reader.all()
        write(local, other, [NEWER[0], NEWER[1], ENDING])
        close(local, other)
        await bystander.all()
    assert (reader.text, bystander.text) == ("one two", "one")
    assert reader.ids == ["1-0", "1-1", "1-3", "1-5"]
    assert skips("event") == before + 2
    response = await chat.call("GET", f"/v1/responses/resp_{generation_id.removeprefix('gen_')}")
    assert response.body["output"][0]["content"][0]["text"] == "one two"


@pytest.mark.parametrize("push", [b"", b"\xff\xfe", b"not a position {}", b"1-x {}", b"99", b"1-1\n\n1-2 {}"])
async def test_a_malformed_push_ends_nothing(local: Local, session: ClientSession, push: bytes) -> None:
    """What is no line on a live channel is skipped, and every reader goes on from the log."""
    await local.start(worker=False)
    chat = ChatClient(session, local.url)
    generation_id = await queued_generation(local, session)
    async with await chat.resume(generation_id) as reader:
        write(local, generation_id, NEWER[:2])
        await reader.until("chunk")
        local.redis.publish(keys.LIVE + generation_id, push)
        write(local, generation_id, [{"type": "text", "ts": 3, "text": " two"}, ENDING], 2)
        close(local, generation_id)
        await reader.all()
    assert reader.ids == ["1-0", "1-1", "1-2", "1-3"]


async def test_an_unknown_end_leaves_nobody_waiting(local: Local, session: ClientSession) -> None:
    """A log that ends with a word of a newer version ends its readers' streams too, without a false end."""
    await local.start(worker=False, heartbeat_s=0.2)
    chat = ChatClient(session, local.url)
    generation_id = await queued_generation(local, session)
    async with await chat.resume(generation_id) as reader:
        write(local, generation_id, [*NEWER[:2], {"type": "farewell", "ts": 3}])
        close(local, generation_id)
        await reader.all()
    assert [frame.type for frame in reader.frames] == ["start", "chunk"]
    local.redis.delete(keys.RECORD + generation_id, keys.LOG + generation_id)


async def test_a_malformed_cancel_ends_no_worker(local: Local, session: ClientSession) -> None:
    """What is no line on the cancel channel is skipped; a reason of a newer version stops all the same."""
    await local.start()
    chat = ChatClient(session, local.url)
    async with await chat.send(script(length=1000, rate=50)) as reader:
        await reader.until("chunk")
        for cancel in (b"", b"\xff", b"gen_x", b"gen_x a newer reason", b"a b c d"):
            before = skips("cancel")
            local.redis.publish(keys.CANCEL, cancel)
            await eventually(lambda before=before: skips("cancel") == before + 1, "it is counted")  # type: ignore[misc]
        local.redis.publish(keys.CANCEL, f"{reader.generation_id} a newer reason")
        await reader.all()
    assert reader.end.data["metadata"]["finish_reason"] == "cancelled"


async def test_a_newer_log_is_taken_over(local: Local, session: ClientSession) -> None:
    """A worker that continues what a newer one began builds on the text that it knows."""
    await local.start(worker=False)
    chat = ChatClient(session, local.url)
    reader = await chat.send(script(length=4), model="scripted")
    queue = keys.QUEUE + "scripted"
    begun = {"type": "text", "ts": 2, "text": expected_text({"length": 2}), "colour": "red"}
    write(local, reader.generation_id, [NEWER[0], begun, NEWER[2]])
    local.redis.hset(keys.RECORD + reader.generation_id, mapping={"state": "running", "attempt": 1})
    assert local.redis.zscore(queue, reader.generation_id)
    await local.start_worker()
    async with reader:
        await reader.all()
    assert reader.end.type == "end"
    assert reader.text == expected_text({"length": 4})
