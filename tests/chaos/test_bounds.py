"""P12: what Redis keeps is bounded in size and in time; more of it in tests/integration/test_limits.py."""

import msgspec
from aiohttp import ClientSession

from shared import keys
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local


async def test_the_wake_list_has_a_bound(local: Local, session: ClientSession) -> None:
    """Tokens that no worker takes do not pile up."""
    await local.start(worker=False)
    chat = ChatClient(session, local.url)
    for _ in range(keys.WAKE_CAP + 10):
        (await chat.send()).cut()
    (wake,) = local.redis.keys(keys.WAKE + "*")
    assert local.redis.llen(wake) == keys.WAKE_CAP


async def test_what_has_ended_goes(local: Local, session: ClientSession) -> None:
    """An ended generation's log and record go on their own times, its job at once."""
    await local.start(log_retention_s=100, record_retention_s=200)
    reader = await ChatClient(session, local.url).ask(script(length=2))
    assert 99 <= local.redis.ttl(keys.LOG + reader.generation_id) <= 100
    assert 199 <= local.redis.ttl(keys.RECORD + reader.generation_id) <= 200
    assert not local.redis.exists(keys.JOB + reader.generation_id)


async def test_memory_of_a_stored_generation(local: Local, session: ClientSession) -> None:
    """A hundred deltas cost under 100 bytes each in the log, and little beside their text in the record."""
    await local.start()
    reader = await ChatClient(session, local.url).ask(script(length=100, rate=0))
    # Every field is counted: a sample of them would guess the rest from the text's size.
    log = local.redis.memory_usage(keys.LOG + reader.generation_id, samples=0)
    record = local.redis.memory_usage(keys.RECORD + reader.generation_id, samples=0)
    assert log < 10_000
    assert record < 2_000 + 2 * len(msgspec.json.encode(reader.text))
    print(f"100 deltas: {log} bytes of log, {record} of record")


async def test_only_so_many_conversations_are_kept(local: Local, session: ClientSession) -> None:
    """The conversation used longest ago goes, messages and all, when an owner has too many."""
    await local.start(max_conversations=2)
    chat = ChatClient(session, local.url)
    for name in ("c1", "c2", "c3", "c1"):
        await chat.ask(script(length=1), conversation_id=name)
    kept = {key.decode().rpartition(":")[2] for key in local.redis.keys(keys.CONVERSATION + "*")}
    said = {key.decode().rpartition(":")[2] for key in local.redis.keys(keys.MESSAGES + "*")}
    assert kept == said == {"c3", "c1"}
