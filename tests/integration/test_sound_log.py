"""P20: a speech's sound is kept piece by piece, as its log is: fenced, each once, none missing."""

from shared import keys
from shared.audio import AudioLog
from shared.generation import Request, Submission
from shared.speech import Speech
from tests.kit.hand import die
from tests.kit.table import Table
from worker.speech.keeping import Keeper


async def test_each_piece_once(table: Table) -> None:
    """What is written again is there once, and a hole is told; it lives as long as is set."""
    generation_id = await table.make("running", "c1")
    log, lease = AudioLog(table.local.state.broker), table.first.claims[generation_id].lease
    assert await log.add(generation_id, lease, 1, [b"a", b"b"]) == ("ok", 2)
    assert await log.add(generation_id, lease, 1, [b"a", b"b", b"c"]) == ("ok", 3)
    assert await log.add(generation_id, lease, 5, [b"e"]) == ("short", 3)
    assert [await log.piece(generation_id, f"1-{n}") for n in (1, 2, 3, 4)] == [b"a", b"b", b"c", None]
    assert table.redis.pttl(keys.AUDIO + generation_id) > 0


async def test_an_older_lease(table: Table) -> None:
    """Whoever holds it keeps no sound, and the next attempt begins with a first piece of its own."""
    generation_id = await table.make("running", "c1")
    log, old = AudioLog(table.local.state.broker), table.first.claims[generation_id].lease
    assert await log.add(generation_id, old, 1, [b"a"]) == ("ok", 1)
    die(table.redis, generation_id)
    assert await table.second.claim(generation_id) is not None
    assert (await log.add(generation_id, old, 2, [b"b"])).status == "fenced"
    assert await log.add(generation_id, table.second.claims[generation_id].lease, 1, [b"A"]) == ("ok", 1)
    assert await log.count(generation_id) == 2


async def test_a_reply_that_has_expired(table: Table) -> None:
    """A speech of it begins, and leaves nothing in its place."""
    speech = Speech(text="a", generation_id="gen_gone")
    submission = Submission(
        generation_id="gen_speech",
        owner="x",
        model="speech",
        queue="speech",
        dialect="speech",
        request=Request(speech=speech),
    )
    assert await table.local.state.generations.create(submission) == ("gen_speech", True)
    assert not table.redis.exists(keys.RECORD + "gen_gone")


async def test_what_the_broker_has_lost(table: Table) -> None:
    """It is written again, from where it is missing."""
    generation_id = await table.make("running", "c1")
    log, lease = AudioLog(table.local.state.broker), table.first.claims[generation_id].lease
    keeper = Keeper(log, generation_id, lease, missing=lambda: None)
    assert await keeper.keep([b"a"]) == 1
    kept = table.redis.dump(keys.AUDIO + generation_id)
    assert await keeper.keep([b"b"]) == 2
    table.redis.restore(keys.AUDIO + generation_id, 60_000, kept, replace=True)
    assert await keeper.keep([b"c"]) == 3
    assert [await log.piece(generation_id, f"1-{n}") for n in (1, 2, 3)] == [b"a", b"b", b"c"]
    table.redis.delete(keys.AUDIO + generation_id)
    assert await keeper.verify()
    assert await log.count(generation_id) == 3
