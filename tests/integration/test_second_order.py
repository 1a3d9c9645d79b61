"""P4, P5, P7, P10: two things in a row, each of which is harmless by itself."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from shared import keys
from tests.integration.test_states import Table
from tests.kit.chat_client import script
from tests.kit.hand import TEXT, die, done, said
from tests.kit.local import Local
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
