"""
What each step does to a generation in each of its states: the table of tests/README.md, a row a test.

A first worker holds `running` and `dead`, whose lease has run out; it has handed `back` back, and the broker
had lost the record of `restored`. All have said something but `queued` and `waiting`.
"""

import json

from shared import keys
from shared.events import Error
from shared.outcome import stopped_unbegun
from tests.kit.hand import TEXT, said
from tests.kit.table import Table


async def claim(table: Table, generation_id: str) -> str:
    """Another worker looks for work. When it was first claimed stays; how long it waited is of its last."""
    began = {"begun": "1", "started_ms": "1"}
    if "begun" in table.record(generation_id):
        table.redis.hset(keys.RECORD + generation_id, mapping=began)
    claimed = await table.second.claim(generation_id)
    if claimed is None:
        return "-"
    if claimed.generation.attempt > 1:
        assert began.items() <= table.record(generation_id).items()
        assert claimed.begun_s > 1000 > claimed.queued_s
    return f"claimed, lost {claimed.generation.lost}"


async def test_claim(table: Table) -> None:
    """What is due is taken, by a new attempt; the one before counts as lost unless it handed back."""
    assert await table.row("claim", claim) == {
        "queued": "claimed, lost 0 -> running",
        "waiting": "- -> queued",
        "running": "- -> running",
        "dead": "claimed, lost 1 -> running 2",
        "back": "claimed, lost 0 -> running 2",
        "restored": "- -> running",
        "done": "- -> done",
        "failed": "- -> failed",
        "cancelled": "- -> cancelled 2",
    }


async def append(table: Table, generation_id: str) -> str:
    """Its first worker writes on, sends its last event again, and writes on once more after a claim."""
    if generation_id not in table.first.claims:
        return "nobody"
    repeated = await table.first.write(generation_id, again=1)
    return f"{repeated}, {await table.first.write(generation_id, *said())}"


async def test_append(table: Table) -> None:
    """Who holds the newest lease writes, although it has run out; nobody else, and nothing after an end."""
    assert await table.row("append", append) == {
        "queued": "nobody -> queued",
        "waiting": "nobody -> queued",
        "running": "ok, ok -> running",
        "dead": "ok, ok -> running",
        "back": "fenced, fenced -> queued",
        "restored": "ok, ok -> running",
        "done": "ok, fenced -> done",
        "failed": "ok, fenced -> failed",
        "cancelled": "fenced, fenced -> cancelled 2",
    }


async def renew(table: Table, generation_id: str) -> str:
    """Its first worker renews."""
    if generation_id not in table.first.claims:
        return "nobody"
    renewed = await table.first.renew(generation_id)
    return f"{renewed.state} {renewed.log_length}"


async def test_renew(table: Table) -> None:
    """A lease that ran out is renewed as long as nobody has claimed; the worker learns what became of it."""
    assert await table.row("renew", renew) == {
        "queued": "nobody -> queued",
        "waiting": "nobody -> queued",
        "running": "kept 3 -> running",
        "dead": "kept 3 -> running",
        "back": "lost 3 -> queued",
        "restored": "kept 3 -> running",
        "done": "ended 4 -> done",
        "failed": "ended 4 -> failed",
        "cancelled": "lost 4 -> cancelled 2",
    }


async def cancel(table: Table, generation_id: str) -> str:
    """Its owner stops it, and asks what became of it."""
    answer = await table.chat.cancel(generation_id)
    await table.local.state.generations.cancel(generation_id, "", "interrupted")
    assert table.record(generation_id).get("cancel", "user") == "user", "the first to stop it says why"
    usage = answer.body["usage"] or {}
    text = (await table.chat.status(generation_id))["text"]
    return f"{answer.status} {answer.body['status']}, {usage.get('completion_tokens', 0)}, {text!r}"


async def test_cancel(table: Table) -> None:
    """What a worker holds is left to it; all else ends here and now, with the text and the usage so far."""
    assert await table.row("cancel", cancel) == {
        "queued": "200 cancelled, 0, '' -> cancelled",
        "waiting": "200 cancelled, 0, '' -> cancelled",
        "running": f"202 cancelling, 0, {TEXT!r} -> running",
        "dead": f"200 cancelled, 2, {TEXT!r} -> cancelled 2",
        "back": f"200 cancelled, 2, {TEXT!r} -> cancelled 2",
        "restored": f"202 cancelling, 0, {TEXT!r} -> running",
        "done": f"200 already_ended, 0, {TEXT!r} -> done",
        "failed": f"200 already_ended, 0, {TEXT!r} -> failed",
        "cancelled": f"200 already_ended, 2, {TEXT!r} -> cancelled 2",
    }
    counted = await table.make("queued", "counted")
    table.redis.hset(keys.RECORD + counted, "model", "another")
    args: list[str | bytes | int] = [counted, "", "user", *stopped_unbegun("user")]
    with table.redis.pubsub() as readers:
        readers.subscribe(keys.LIVE + counted)
        assert await table.local.state.broker.run("cancel", table.cell, args) == b"closed another"
        heard = [readers.get_message(timeout=5) for _ in range(2)]
    assert heard[1]["data"].startswith(b"1-0 "), "who reads it is told at once"


async def remove(table: Table, generation_id: str) -> str:
    """Its owner deletes the conversation."""
    name = table.record(generation_id)["conversation"]
    answer = await table.chat.call("DELETE", f"/api/conversations/{name}")
    gone = (await table.chat.call("GET", f"/api/conversations/{name}")).status
    return f"{answer.status} {gone} {table.record(generation_id).get('cancel', '-')}"


async def test_remove(table: Table) -> None:
    """The conversation is gone at once; what answers it or waits to is stopped as by its owner."""
    assert await table.row("remove", remove) == {
        "queued": "204 404 user -> cancelled",
        "waiting": "204 404 user -> cancelled",
        "running": "204 404 user -> running",
        "dead": "204 404 user -> cancelled 2",
        "back": "204 404 user -> cancelled 2",
        "restored": "204 404 user -> running",
        "done": "204 404 - -> done",
        "failed": "204 404 - -> failed",
        "cancelled": "204 404 user -> cancelled 2",
    }


async def interrupt(table: Table, generation_id: str) -> str:
    """Another message comes that does not wait."""
    name = table.record(generation_id)["conversation"]
    async with await table.chat.send("Now", conversation_id=name, on_busy="interrupt") as reader:
        active = (await table.chat.conversation(name))["conversation"]["active"]
    return f"{'its turn' if active == reader.generation_id else 'waits'}"


async def test_interrupt(table: Table) -> None:
    """It has its turn as soon as nobody holds what it interrupts, and what waited before it never has."""
    assert await table.row("interrupt", interrupt) == {
        "queued": "its turn -> cancelled",
        "waiting": "waits -> cancelled",  # for the one that is running
        "running": "waits -> running",
        "dead": "its turn -> cancelled 2",
        "back": "its turn -> cancelled 2",
        "restored": "waits -> running",
        "done": "its turn -> done",
        "failed": "its turn -> failed",
        "cancelled": "its turn -> cancelled 2",
    }


async def close(table: Table, generation_id: str) -> str:
    """A gateway gives up its worker, or its place in the queue after a minute."""
    error = Error(ts=5, code="worker_lost", message="It was lost.")
    closed = await table.local.state.generations.close(generation_id, error, overdue_s=60)
    usage = json.loads(table.record(generation_id).get("usage", "{}"))
    return f"{closed}, {usage.get('completion_tokens', 0)}" if closed == "closed" else closed


async def test_close(table: Table) -> None:
    """Only what has been due for that long is given up; what it has said counts."""
    assert await table.row("close", close) == {
        "queued": "held -> queued",
        "waiting": "closed, 0 -> failed",  # its place is nowhere but in its conversation: see `orphaned`
        "running": "held -> running",
        "dead": "closed, 2 -> failed 2",
        "back": "held -> queued",
        "restored": "held -> running",
        "done": "ended -> done",
        "failed": "ended -> failed",
        "cancelled": "ended -> cancelled 2",
    }


async def release(table: Table, generation_id: str) -> str:
    """Its first worker drains: the job is nobody's then, and waits in its line."""
    if generation_id not in table.first.claims:
        return "nobody"
    released = await table.first.release(generation_id)
    assert not released or table.redis.zscore(keys.LEASED + "scripted", generation_id) is None
    return str(released)


async def test_release(table: Table) -> None:
    """What it holds it hands back, to be taken at once; nothing else."""
    assert await table.row("release", release) == {
        "queued": "nobody -> queued",
        "waiting": "nobody -> queued",
        "running": "True -> queued",
        "dead": "True -> queued",
        "back": "False -> queued",
        "restored": "True -> queued",
        "done": "False -> done",
        "failed": "False -> failed",
        "cancelled": "False -> cancelled 2",
    }


async def restore(table: Table, generation_id: str) -> str:
    """The broker loses it, and its first worker writes it again."""
    table.lose(generation_id)
    if generation_id not in table.first.claims:
        return "nobody"
    return str(await table.first.restore(generation_id))


async def test_restore(table: Table) -> None:
    """What a worker still holds comes back; what nobody held is gone."""
    states = ("queued", "waiting", "running", "dead", "restored")
    assert await table.row("restore", restore, states) == {
        "queued": "nobody -> gone",
        "waiting": "nobody -> gone",
        "running": "True -> running",
        "dead": "True -> running",
        "restored": "True -> running",
    }
