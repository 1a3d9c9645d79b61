"""P4, P5, P7, P10: two things in a row, each of which is harmless by itself."""

import asyncio
import time
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client import REGISTRY

from shared import generations, keys
from shared.events import End, Terminal, ToolCall
from shared.outcome import stopped_unbegun
from tests.kit.chat_client import script
from tests.kit.eventually import eventually
from tests.kit.hand import TEXT, die, done, said
from tests.kit.local import Local
from tests.kit.stack import MODELS, upstream_model
from tests.kit.table import Table
from tests.kit.upstream import FakeUpstream
from worker import attempt
from worker.backends.script import expected_text
from worker.producer import Producer


async def test_a_stopped_waiter_never_has_its_turn(table: Table) -> None:
    """What was stopped while it waited stays so when the one before it ends; the next has its turn."""
    waiting = await table.make("waiting", "c1")
    async with await table.chat.send("Third", conversation_id="c1", on_busy="queue") as third:
        assert (await table.chat.cancel(waiting)).body["status"] == "cancelled"
        running = (await table.chat.conversation("c1"))["conversation"]["active"]
        assert await table.first.write(running, done()) == "ok"
        assert (await table.chat.conversation("c1"))["conversation"]["active"] == third.generation_id
    assert table.record(waiting)["state"] == "cancelled"
    said_by_users = [m["content"] for m in (await table.chat.conversation("c1"))["messages"]]
    assert said_by_users == ["Hello", TEXT, "Third"]


async def test_stopped_after_its_worker_died(table: Table) -> None:
    """Stop ends it at once, with its text in its conversation, and the next worker finds nothing to do."""
    generation_id = await table.make("dead", "c1")
    receipt = await table.chat.cancel(generation_id)
    assert (receipt.status, receipt.body["status"], receipt.body["position"]) == (200, "cancelled", "2-0")
    assert receipt.body["usage"]["completion_tokens"] == 2
    reply = (await table.chat.conversation("c1"))["messages"][-1]
    assert (reply["content"], reply["state"]) == (TEXT, "cancelled")
    assert await table.second.claim(generation_id) is None
    assert await table.first.write(generation_id, *said()) == "fenced"


async def test_stop_waits_for_its_workers_word(table: Table) -> None:
    """The receipt of a stop that its worker takes its time with says what became of it all the same."""
    generation_id = await table.make("running", "c1")
    stopping = asyncio.create_task(table.chat.cancel(generation_id))
    await eventually(lambda: table.record(generation_id).get("cancel") == "user", "the intent is there")
    assert (await table.chat.status(generation_id))["state"] == "running"
    assert await table.first.write(generation_id, End(ts=4, finish_reason="cancelled")) == "ok"
    receipt = await stopping
    assert (receipt.status, receipt.body["status"], receipt.body["position"]) == (200, "cancelled", "1-3")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/chat/{}/cancel"), ("DELETE", "/api/conversations/c1")]
)
async def test_a_stop_whose_client_hangs_up(
    table: Table, session: ClientSession, method: str, path: str
) -> None:
    """What a dead worker held is closed after the step that stopped it, although nobody waits for that."""
    generation_id = await table.make("dead", "c1")
    generations, begun, go_on = table.local.state.generations, asyncio.Event(), asyncio.Event()
    close = generations.close

    async def late(generation_id: str, terminal: Terminal, *, overdue_s: float) -> Any:
        begun.set()
        await go_on.wait()
        return await close(generation_id, terminal, overdue_s=overdue_s)

    generations.close = late  # type: ignore[method-assign]
    asking = asyncio.create_task(session.request(method, table.local.url + path.format(generation_id)))
    await begun.wait()
    asking.cancel()
    await asyncio.wait([asking])
    await eventually(lambda: not table.local.connections, "the gateway knows that it is alone")
    go_on.set()
    await eventually(lambda: table.stands(generation_id) == "cancelled 2", "it is closed")


async def test_an_intent_that_no_push_told(local: Local, session: ClientSession) -> None:
    """A worker that claims what was stopped meanwhile ends it, and does not ask its model."""
    await local.start(worker=False)
    table = Table(local, session)
    generation_id = await table.make("back", "c1")
    local.redis.hset(keys.RECORD + generation_id, "cancel", "user")
    await local.start_worker()
    async with await table.chat.resume(generation_id) as reader:
        await reader.all()
    assert (reader.text, reader.end.data["metadata"]["reason"]) == (TEXT, "user")


async def test_handed_back_and_taken_again(local: Local, session: ClientSession) -> None:
    """Usage over two attempts is that of the whole answer, which the second counted in part only."""
    await local.start()
    table = Table(local, session)
    options = {"length": 30, "rate": 40}
    counts = ["headrace_queue_wait_seconds_count", "headrace_takeovers_total"]
    before = [metric(name) for name in counts]
    for model, estimated in (("scripted", True), ("plain", False)):
        async with await table.chat.send(script(**options), model=model) as reader:
            await reader.until("chunk", 5)
            await local.stop_worker()
            await local.start_worker()
            await reader.all()
        assert reader.text == expected_text(options)
        assert {position.partition("-")[0] for position in reader.ids} == {"1", "2"}
        usage = reader.end.data["metadata"]["usage"]
        assert usage["completion_tokens"] == options["length"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        assert usage.get("estimated", False) is estimated
        assert usage["prompt_tokens"] > 0
    assert [metric(name) - was for name, was in zip(counts, before, strict=True)] == [2, 0]


def metric(name: str) -> float:
    """What this process has counted under *name*, of all models."""
    families = [family.samples for family in REGISTRY.collect()]
    return sum(sample.value for samples in families for sample in samples if sample.name == name)


async def test_a_stranger_stops_nothing(table: Table) -> None:
    """The script that stops checks the owner itself."""
    generation_id = await table.make("queued", "c1")
    assert await table.local.state.generations.cancel(generation_id, "stranger", "user") == "missing"
    assert table.record(generation_id)["state"] == "queued"
    assert "cancel" not in table.record(generation_id)


async def test_one_suspect_at_a_time(table: Table) -> None:
    """Of those that have one worker left to lose, none is taken beside another."""
    suspects = sorted([await table.make("running", name) for name in ("c1", "c2")])
    most = table.local.settings().max_attempts
    for generation_id in suspects:
        table.redis.hset(keys.RECORD + generation_id, "lost", most - 2)
        die(table.redis, generation_id)
    assert [await table.second.claim(each, suspects=0) for each in suspects] == [None, None]
    assert await table.second.claim(suspects[0], suspects=1) is not None
    assert suspects[1] not in table.second.claims
    assert await table.second.claim(suspects[1], suspects=1) is not None
    handed_back = [await table.make("queued", name) for name in ("c3", "c4", "c5")]
    for generation_id in handed_back[:2]:
        table.redis.hset(keys.RECORD + generation_id, "lost", most - 1)
    assert await table.second.claim(handed_back[2], suspects=0) is not None
    [line] = table.redis.scan_iter(keys.LINE + "*")
    assert [each.decode() for each in table.redis.lrange(line, 0, -1)] == handed_back[:2], "in their order"


async def test_what_is_left_holds_up_nobody(table: Table) -> None:
    """Jobs that cannot be taken now stand before others, and those are taken all the same."""
    left = await table.make("dead", "c1")
    table.redis.hset(keys.RECORD + left, "lost", table.local.settings().max_attempts - 2)
    for name, only in (("c2", {"suspects": 0}), ("c3", {"within_s": 30})):
        after = await table.make("queued", name)
        assert await table.second.claim(after, limit=1, **only) is not None


async def test_closed_by_what_was_read(table: Table) -> None:
    """An end that was made of an older log is not written: its text would be another."""
    generation_id = await table.make("dead", "c1")
    end, closing = stopped_unbegun("user")
    asked: list[str | bytes | int] = [generation_id, 1, end, closing, 0]
    assert await table.local.state.broker.run("close", table.cell, asked) == b"changed"
    assert table.record(generation_id)["state"] == "running"


async def test_a_deleted_conversation_of_the_same_name(table: Table) -> None:
    """A new one has nothing of it."""
    await table.make("done", "c1")
    assert (await table.chat.call("DELETE", "/api/conversations/c1")).status == 204
    async with await table.chat.send("Again", conversation_id="c1"):
        messages = (await table.chat.conversation("c1"))["messages"]
    assert [message["content"] for message in messages] == ["Again"]


async def test_a_stop_is_pushed(local: Local, session: ClientSession) -> None:
    """It does not wait for the next renewal, nor for a word of the model."""
    await local.start(lease_s=30, cancel_wait_s=3)
    table = Table(local, session)
    async with await table.chat.send(script(first_token_delay_s=60)) as reader:
        await reader.until("start")
        before, began = metric("headrace_cancel_seconds_sum"), time.monotonic()
        assert (await table.chat.cancel(reader.generation_id)).body["status"] == "cancelled"
    assert 0 < metric("headrace_cancel_seconds_sum") - before < time.monotonic() - began


async def test_a_defect_ends_its_log(
    local: Local, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And tells nobody more than that; the worker goes on."""
    await local.start()
    chat = Table(local, session).chat
    with monkeypatch.context() as patched:
        patched.setattr(Producer, "run", lambda *_: 1 / 0)
        failed = await chat.ask()
    assert failed.end.data["metadata"]["code"] == "internal"
    assert "division" not in str(failed.end.data)
    assert (await chat.ask()).end.type == "end"


async def test_an_end_that_its_replicas_lack(
    local: Local, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P7: it is written again where a failover has lost it meanwhile."""
    await local.start(min_replicas=1)
    looks: list[str] = []

    async def accepted(*_: Any) -> str:
        return "queued"

    async def replicated(_: Any, generation_id: str) -> str:
        looks.append(generation_id)
        if len(looks) == 1:
            *kept, _ = local.redis.xrange(keys.LOG + generation_id)
            local.redis.delete(keys.LOG + generation_id)
            for at, event in kept:
                local.redis.xadd(keys.LOG + generation_id, event, at)
            local.redis.pexpire(keys.LOG + generation_id, 60_000)
            local.redis.hset(keys.RECORD + generation_id, "state", "running")
        state: bytes = local.redis.hget(keys.RECORD + generation_id, "state")
        return state.decode()

    monkeypatch.setattr(generations, "replicated", accepted)
    monkeypatch.setattr(attempt, "replicated", replicated)
    chat = Table(local, session).chat
    reader = await chat.ask(script(length=1))
    await eventually(lambda: len(looks) == 2, lambda: f"it looks again: {looks}")
    assert (await chat.status(reader.generation_id))["state"] == "done"
    async with await chat.resume(reader.generation_id) as again:
        await again.all()
    assert again.ids == reader.ids


async def test_a_tool_call_is_not_gone_on_from(local: Local, session: ClientSession) -> None:
    """No model can be told to go on after a call: the next attempt starts over, and says so."""
    await local.start(worker=False)
    table = Table(local, session)
    generation_id = await table.make("running", "c1")
    assert await table.first.write(generation_id, ToolCall(4, 0, id="t", name="n", arguments="{")) == "ok"
    assert await table.first.release(generation_id)
    await local.start_worker()
    async with await table.chat.resume(generation_id) as reader:
        await reader.all()
    assert [frame.type for frame in reader.frames].count("reset") == 1
    assert (reader.end.type, reader.text) == ("end", expected_text({"length": 20}))


async def test_a_silent_zombie_leaves_its_upstream(local: Local, session: ClientSession) -> None:
    """A worker whose model says nothing learns by its renewal that another has taken over."""
    async with FakeUpstream() as upstream:
        await local.start(MODELS + upstream_model(upstream.url))
        chat = Table(local, session).chat
        async with await chat.send(script(never_answer=True), model="upstream") as reader:
            await upstream.until(lambda: bool(upstream.requests))
            record = keys.RECORD + reader.generation_id
            local.redis.hset(record, mapping={"lease": "9:z", "attempt": "9"})
            await upstream.until(lambda: upstream.requests[0].disconnected is not None)
            die(local.redis, reader.generation_id, "upstream")


async def test_clients_are_not_told_where_it_is(local: Local, session: ClientSession) -> None:
    """What a model server says of addresses is for its operator."""
    async with FakeUpstream() as upstream:
        await local.start(MODELS + upstream_model(upstream.url))
        message = script(status=400, message="No route to 10.1.2.3:8080 from here")
        reader = await Table(local, session).chat.ask(message, model="upstream")
    assert "No route to" in reader.end.data["content"]
    assert "10.1.2.3" not in reader.end.data["content"]


async def test_a_reset_ends_a_completion(local: Local, session: ClientSession) -> None:
    """OpenAI's clients have no word for it: what they have read is followed by an error, and nothing more."""
    await local.start(worker=False)
    table = Table(local, session)
    generation_id = await table.make("running", "c1")
    assert await table.first.write(generation_id, ToolCall(4, 0, id="t", name="n", arguments="{")) == "ok"
    async with session.get(f"{local.url}/v1/chat/completions/{generation_id}/stream") as response:
        read = await response.content.readuntil(b'"id":"t"')
        assert await table.first.release(generation_id)
        await local.start_worker()
        read += await response.read()
    assert read.count(b'{"error":') == 1
    assert read.partition(b'{"error":')[2].count(b"data: ") == 1
    assert read.endswith(b"data: [DONE]\n\n")


async def test_who_is_live_is_pushed_to(table: Table) -> None:
    """What is written comes at once, long before a heartbeat would look for it."""
    generation_id = await table.make("running", "c1")
    async with await table.chat.resume(generation_id) as reader:
        await reader.until("chunk", 2)
        for _ in range(3):
            assert await table.first.write(generation_id, *said()) == "ok"
            await reader.until("chunk", 2, timeout_s=5)


async def test_a_lease_is_as_long_as_is_set(table: Table) -> None:
    """From the claim on, and again from each renewal."""
    generation_id = await table.make("running", "c1")
    for _ in range(2):
        now_s, _ = table.redis.time()
        due = table.redis.zscore(keys.QUEUE + "scripted", generation_id)
        assert 20 < due / 1000 - now_s < 32
        die(table.redis, generation_id)
        assert (await table.first.renew(generation_id)).state == "kept"


async def test_a_key_holds_as_long_as_is_set(table: Table) -> None:
    """A client may come back with it until then."""
    generation_id = await table.make("queued", "c1")
    owner = table.record(generation_id)["owner"]
    left_s = table.redis.ttl(f"{keys.IDEMPOTENCY}{owner}:c1")
    assert 0 <= table.local.settings().idempotency_ttl_s - left_s < 60
