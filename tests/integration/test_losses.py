"""P4, P7, P10: what the broker has lost, and what follows from it."""

from aiohttp import ClientSession

from shared import keys
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.hand import TEXT, die, done, said
from tests.kit.local import Local
from tests.kit.table import Table
from tests.kit.upstream import FakeUpstream
from worker.backends.script import expected_text


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


async def test_a_message_is_asked_though_the_broker_has_lost_it(local: Local, session: ClientSession) -> None:
    """A failover between claim and prompt: the model gets it, not what is left of its conversation."""
    failing = FakeUpstream(first_token_delay_s=0.5, break_after=0)
    async with failing as first, FakeUpstream(length=3) as second:
        servers = "".join(
            f'[[models.two.upstreams]]\nbase_url = "{server.url}"\n' for server in (first, second)
        )
        # The record is not written again before the second is asked.
        await local.start(f"[models.two]\n{servers}", lease_s=30)
        async with await ChatClient(session, local.url).send("Hello", conversation_id="c1") as reader:
            await eventually(lambda: len(first.requests) == 1, "the first is asked")
            local.redis.flushdb()
            await reader.all()
    assert second.requests[0].body["messages"] == [{"role": "user", "content": "Hello"}]
    assert reader.text == expected_text({"length": 3})


async def test_a_key_of_a_restored_record(table: Table) -> None:
    """What was lost with the record and came back with it answers the repeated submission too."""
    generation_id = await table.make("restored", "c1")
    fields = {"conversation_id": "c1", "on_busy": "queue"}
    headers = {"Idempotency-Key": "c1"}
    assert (await table.chat.conversation("c1"))["conversation"]["title"] == "Hello"
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


async def test_a_lost_waiter_holds_up_nobody(table: Table) -> None:
    """Where the broker has lost the one that is next, the one after it has its turn."""
    waiting = await table.make("waiting", "c1")
    async with await table.chat.send("Third", conversation_id="c1", on_busy="queue") as third:
        table.redis.delete(keys.RECORD + waiting)
        running = (await table.chat.conversation("c1"))["conversation"]["active"]
        assert await table.first.write(running, done()) == "ok"
        assert (await table.chat.conversation("c1"))["conversation"]["active"] == third.generation_id


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


async def test_a_claim_that_was_lost(table: Table) -> None:
    """Its worker, which knows of it still, takes its place again where nobody else has claimed since."""
    generation_id = await table.make("queued", "c1")
    record = table.redis.dump(keys.RECORD + generation_id)
    await table.first.begin(generation_id)
    table.redis.restore(keys.RECORD + generation_id, 60_000, record, replace=True)
    assert (await table.first.renew(generation_id)).state == "kept"
    assert table.stands(generation_id) == "running"
    table.redis.hset(keys.RECORD + generation_id, "server", "another")
    table.redis.hdel(keys.RECORD + generation_id, "next_server")
    for is_whole in (False, True):
        assert (await table.first.renew(generation_id)).state == "kept"
        assert (table.record(generation_id)["server"] != "another") is is_whole, (
            "what was lost is written again"
        )
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
