"""P4, P5, P7, P10: two things in a row, each of which is harmless by itself."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from shared import keys
from shared.events import ToolCall
from shared.outcome import stopped_unbegun
from tests.integration.test_states import Table
from tests.kit.chat_client import script
from tests.kit.hand import TEXT, die, done, said
from tests.kit.local import Local
from tests.kit.stack import MODELS, upstream_model
from tests.kit.upstream import FakeUpstream
from worker.backends.script import expected_text


@pytest.fixture
async def table(local: Local, session: ClientSession) -> AsyncIterator[Table]:
    """A gateway, and two workers by hand."""
    await local.start(worker=False, lease_s=30, cancel_wait_s=0.05)
    yield Table(local, session)
    for generation_id in local.redis.zrange(keys.QUEUE + "scripted", 0, -1):
        die(local.redis, generation_id.decode())


async def test_the_same_attempt_twice(table: Table) -> None:
    """A broker that lost a claim gives its number again: the nonce fences the first who had it."""
    generation_id = await table.make("queued", "c1")
    record, due = table.redis.dump(keys.RECORD + generation_id), table.redis.dump(keys.QUEUE + "scripted")
    await table.first.begin(generation_id)
    table.redis.restore(keys.RECORD + generation_id, 60_000, record, replace=True)
    table.redis.restore(keys.QUEUE + "scripted", 60_000, due, replace=True)
    table.redis.delete(keys.LOG + generation_id)
    await table.second.begin(generation_id)
    first, second = (hand.claims[generation_id].lease for hand in (table.first, table.second))
    assert first.partition(":")[0] == second.partition(":")[0] == "1"
    assert first != second
    assert await table.first.write(generation_id, *said()) == "fenced"
    assert (await table.first.renew(generation_id)).state == "lost"
    assert not await table.first.release(generation_id)
    assert (await table.second.renew(generation_id)).state == "kept"
    assert await table.second.write(generation_id, done()) == "ok"
    assert (await table.chat.status(generation_id))["text"] == TEXT


async def test_a_key_of_a_restored_record(table: Table) -> None:
    """What was lost with the record and came back with it answers the repeated submission too."""
    generation_id = await table.make("restored", "c1")
    fields = {"conversation_id": "c1", "on_busy": "queue"}
    headers = {"Idempotency-Key": "c1"}
    async with await table.chat.send("Hello", headers=headers, **fields) as again:
        assert again.generation_id == generation_id
        assert again.headers["Idempotent-Replayed"] == "true"
    assert (await table.chat.submit("Other", headers=headers, **fields)).status == 422


async def test_a_key_that_was_used_again_meanwhile(table: Table) -> None:
    """Who submitted again while all was lost keeps the key, and the conversation."""
    generation_id = await table.make("running", "c1")
    table.lose(generation_id)
    another = await table.make("queued", "c1")
    assert await table.first.restore(generation_id)
    assert await table.make("queued", "c1") == another
    assert (await table.chat.conversation("c1"))["conversation"]["active"] == another
    assert await table.first.write(generation_id, done()) == "ok"
    messages = (await table.chat.conversation("c1"))["messages"]
    assert [message["generation_id"] for message in messages] == [another]


async def test_a_restored_record_is_stopped_and_taken_over(table: Table) -> None:
    """It is like any that was never lost: a stop reaches its worker, the next one goes on with its text."""
    generation_id = await table.make("restored", "c1")
    assert (await table.chat.cancel(generation_id)).body["status"] == "cancelling"
    assert (await table.first.renew(generation_id)).cancel == "user"
    die(table.redis, generation_id)
    claim = await table.second.claim(generation_id)
    assert claim is not None
    assert (claim.generation.attempt, claim.generation.cancel, claim.log_length) == (2, "user", 3)


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


async def test_a_lost_waiter_holds_up_nobody(table: Table) -> None:
    """Where the broker has lost the one that is next, the one after it has its turn."""
    waiting = await table.make("waiting", "c1")
    async with await table.chat.send("Third", conversation_id="c1", on_busy="queue") as third:
        table.redis.delete(keys.RECORD + waiting)
        running = (await table.chat.conversation("c1"))["conversation"]["active"]
        assert await table.first.write(running, done()) == "ok"
        assert (await table.chat.conversation("c1"))["conversation"]["active"] == third.generation_id


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


async def test_a_lost_tail(table: Table) -> None:
    """Whoever writes past a hole is told so, nothing is written, and then it fills it."""
    generation_id = await table.make("running", "c1")
    older = table.redis.dump(keys.LOG + generation_id)
    assert await table.first.write(generation_id, *said()) == "ok"
    table.redis.restore(keys.LOG + generation_id, 60_000, older, replace=True)
    assert await table.first.write(generation_id, again=1) == "short"
    assert await table.first.write(generation_id, again=2) == "ok"
    log = [entry.decode() for entry, _ in table.redis.xrange(keys.LOG + generation_id)]
    assert log == [f"1-{seq}" for seq in range(5)]


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


async def test_a_claim_that_was_lost(table: Table) -> None:
    """Its worker, which knows of it still, takes its place again where nobody else has claimed since."""
    generation_id = await table.make("queued", "c1")
    record = table.redis.dump(keys.RECORD + generation_id)
    await table.first.begin(generation_id)
    table.redis.restore(keys.RECORD + generation_id, 60_000, record, replace=True)
    assert (await table.first.renew(generation_id)).state == "kept"
    assert await table.first.write(generation_id, done()) == "ok"
    assert table.record(generation_id)["state"] == "done"


async def test_a_record_older_than_its_log(table: Table) -> None:
    """The next attempt is above all that the log has, whatever the record says."""
    generation_id = await table.make("dead", "c1")
    table.redis.hset(keys.RECORD + generation_id, "attempt", 0)
    claim = await table.second.claim(generation_id)
    assert claim is not None
    assert claim.lease == "2:b"


async def test_nothing_lost_is_restored(table: Table) -> None:
    """A worker that is mistaken about a lost record changes nothing."""
    generation_id = await table.make("running", "c1")
    before = table.record(generation_id)
    assert not await table.first.restore(generation_id)
    assert table.record(generation_id) == before


async def test_a_stranger_stops_nothing(table: Table) -> None:
    """The script that stops checks the owner itself."""
    generation_id = await table.make("queued", "c1")
    assert await table.local.state.generations.cancel(generation_id, "stranger", "user") == "missing"
    assert table.record(generation_id)["state"] == "queued"
    assert "cancel" not in table.record(generation_id)


async def test_old_jobs_are_left_after_the_broker_was_away(table: Table) -> None:
    """A worker that has just missed the broker takes only what was queued since: others renew first."""
    for state in ("dead", "queued"):
        generation_id = await table.make(state, state)
        if state == "queued":
            table.redis.hset(keys.RECORD + generation_id, "queued_ms", 1)
        assert await table.second.claim(generation_id, within_s=30) is None
        assert await table.second.claim(generation_id) is not None
    new = await table.make("queued", "new")
    assert await table.second.claim(new, within_s=30) is not None


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


async def test_what_is_left_holds_up_nobody(table: Table) -> None:
    """Jobs that cannot be taken now stand before others, and those are taken all the same."""
    left = await table.make("dead", "c1")
    table.redis.hset(keys.RECORD + left, "lost", table.local.settings().max_attempts - 2)
    after = await table.make("queued", "c2")
    assert await table.second.claim(after, limit=1, suspects=0) is not None


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
        assert (await table.chat.cancel(reader.generation_id)).body["status"] == "cancelled"


async def test_a_worker_fills_a_hole(local: Local, session: ClientSession) -> None:
    """A tail that the broker lost is in the log again, each event at its place."""
    await local.start()
    table, options = Table(local, session), {"length": 80, "rate": 60}
    async with await table.chat.send(script(**options)) as reader:
        await reader.until("chunk", 3)
        log = keys.LOG + reader.generation_id
        older = local.redis.dump(log)
        await reader.until("chunk", 10)
        local.redis.restore(log, 60_000, older, replace=True)
        await reader.all()
    assert reader.text == expected_text(options)
    assert [entry.decode() for entry, _ in local.redis.xrange(log)] == reader.ids


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


async def test_our_time_is_ahead_of_a_clock_that_was_set_back(table: Table) -> None:
    """Whoever looks is told both: the time that leases count, and what the clock says."""
    now_s, _ = table.redis.time()
    table.redis.hset(keys.CLOCK, mapping={"seen": now_s * 1000, "ahead": 3_600_000})
    ours_ms, clocks_ms = await table.local.state.broker.run("clock", table.cell, [])
    assert abs(ours_ms - clocks_ms - 3_600_000) < 20_000
    table.redis.delete(keys.CLOCK)


async def test_the_end_came_while_nobody_listened(table: Table) -> None:
    """What was published while the live connection was broken is read as soon as there is another."""
    generation_id = await table.make("running", "c1")
    async with await table.chat.resume(generation_id) as reader:
        await reader.until("chunk", 2)
        assert await table.first.write(generation_id, *said()) == "ok"
        await reader.until("chunk", 2)
        table.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        assert await table.first.write(generation_id, done()) == "ok"
        await reader.until("end", timeout_s=6)
