"""P15: what is counted of an asker, step by step: exactly, at every level, and as long as it has to be."""

import datetime
import json

import pytest

from shared import keys
from shared.events import Usage
from shared.ledger import Ledger, Room, _settled, until_next
from shared.limits import Level, Limits
from tests.kit.local import Local


@pytest.fixture
async def ledger(local: Local) -> Ledger:
    """Of nobody else."""
    await local.start(worker=False)
    return local.state.ledger


async def ask(ledger: Ledger, name: str, *levels: Level, tokens: int = 0) -> str:
    """Which limit refuses it; '' for none."""
    verdict = await ledger.admit("acme", levels, name, "message", tokens)
    return "" if verdict.refused is None else verdict.refused.limit


async def test_the_longest_wait_is_told(ledger: Ledger) -> None:
    """Of several limits without room that which has to be waited for longest, for a day above all."""
    minute = Level("key:k", Limits(requests_per_minute=1, max_concurrent=1))
    day = Level("tenant", Limits(tokens_per_day=10))
    assert await ask(ledger, "gen_1", minute, day, tokens=10) == ""
    reserved = [(await ledger.used("acme", name)).reserved_tokens for name in ("key:k", "tenant", "other")]
    assert reserved == [10, 10, 0]
    month = Level("key:m", Limits(tokens_per_month=10))
    assert await ask(ledger, "gen_2", month, tokens=11) == "tokens_month"
    refused = (await ledger.admit("acme", [minute], "gen_2", "message", 0)).refused
    assert refused is not None
    assert (refused.limit, refused.level, refused.retry_ms > 50_000) == ("requests", "key:k", True)
    for levels in ([minute, day], [day, minute]):
        refused = (await ledger.admit("acme", levels, "gen_3", "message", 1)).refused
        assert refused is not None
        assert (refused.limit, refused.level, refused.retry_ms) == ("tokens_day", "tenant", 0)


async def test_the_tightest_level_is_told(ledger: Ledger) -> None:
    """What is left is that of the level with least of it, in whichever order they are."""
    wide = Level("tenant", Limits(requests_per_minute=100, tokens_per_minute=1000))
    tight = Level("key:k", Limits(requests_per_minute=3, tokens_per_minute=100))
    for number, levels in enumerate(([wide, tight], [tight, wide])):
        verdict = await ledger.admit("acme", levels, f"gen_{number}", "message", 10)
        assert isinstance(verdict.requests, Room) and isinstance(verdict.tokens, Room)
        assert (verdict.requests.most, verdict.requests.left) == (3, 2 - number)
        assert (verdict.tokens.most, verdict.tokens.left) == (100, 90 - 10 * number)


async def test_reads_and_messages(ledger: Ledger) -> None:
    """Each has the whole limit."""
    level = Level("key:k", Limits(requests_per_minute=2))
    for kind in ("message", "read"):
        answers = [await ledger.admit("acme", [level], f"{kind}{i}", kind, 0) for i in range(3)]
        assert [answer.refused is None for answer in answers] == [True, True, False], kind


@pytest.mark.parametrize("limits", [Limits(cost_per_day=0.5), Limits(cost_per_month=0.5)])
async def test_money(local: Local, ledger: Ledger, limits: Limits) -> None:
    """Whoever has some left may ask; what a reply has cost counts once it has ended."""
    level = Level("tenant", limits)
    assert await ask(ledger, "gen_1", level) == ""
    assert await ask(ledger, "gen_2", level) == ""
    for name in ("gen_1", "gen_2"):
        usage = json.dumps({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
        local.redis.hset(keys.RECORD + name, mapping={"state": "done", "usage": usage, "cost": "0.25"})
        local.redis.expire(keys.RECORD + name, 60)
    assert await ledger.settle("acme", "gen_1") == 1
    assert await ask(ledger, "gen_3", level) == ""
    assert await ledger.settle("acme", "gen_2") == 1
    assert (await ask(ledger, "gen_4", level)).startswith("cost_")
    await ledger.release("acme", "gen_3")
    used = await ledger.used("acme", "tenant")
    assert (used.day.cost, used.month.cost, used.day.messages, used.day.total_tokens) == (0.5, 0.5, 2, 6)


async def test_how_long_it_is_kept(local: Local, ledger: Ledger) -> None:
    """A month's count outlives the month, a day's the day."""
    assert await ask(ledger, "gen_1", Level("tenant", Limits(tokens_per_day=10))) == ""
    for period, days in (("month", 31), ("day", 1)):
        [key] = local.redis.scan_iter(f"{keys.USE}*:tenant:{period}:*")
        assert local.redis.ttl(key) > days * 24 * 3600
    await ledger.release("acme", "gen_1")


async def test_what_is_over_counts_no_more(local: Local, ledger: Ledger) -> None:
    """Requests of more than a minute ago, and places for streams that nobody has kept."""
    level = Level("key:k", Limits(requests_per_minute=1, max_streams=1))

    async def admitted(name: str) -> str:
        verdict = await ledger.admit("acme", [level], name, "message", 0, name)
        return "" if verdict.refused is None else verdict.refused.limit

    def age(kind: str, ms: int) -> None:
        [key] = local.redis.scan_iter(f"{keys.USE}*:{kind}")
        assert local.redis.pttl(key) > 0
        for name, at in local.redis.zrange(key, 0, -1, withscores=True):
            local.redis.zadd(key, {name: at - ms})

    assert await admitted("gen_1") == ""
    assert await ledger.hold("acme", [level], "two", "open") == "key:k"
    assert await admitted("gen_2") == "requests"
    age("requests", 61_000)
    assert await admitted("gen_2") == "streams"
    age("streams", 31_000)
    assert await ledger.hold("acme", [level], "two", "open") == ""
    age("streams", 31_000)
    assert await admitted("gen_2") == ""
    for name in ("gen_1", "gen_2"):
        await ledger.release("acme", name)


@pytest.mark.parametrize(
    ("usage", "cost", "settled"),
    [(Usage(3, 4, 9), None, (9, 3, 4, 0)), (Usage(3, 4, 0), b"0.5", (7, 3, 4, 500_000))],
)
def test_what_is_settled(usage: Usage, cost: bytes | None, settled: tuple[int, ...]) -> None:
    """A total that was not told is the sum; money counts in millionths."""
    assert _settled(usage, cost) == settled


def test_when_there_is_more() -> None:
    """With the next day, or with the next month, of UTC."""
    now = datetime.datetime.now(datetime.UTC)
    for limit, begins in (("tokens_day", (now + datetime.timedelta(days=1)).date()), ("cost_month", None)):
        at = now + datetime.timedelta(seconds=until_next(limit) + 1)  # type: ignore[arg-type]
        assert (at.hour, at.minute) == (0, 0)
        assert at.date() == begins if begins else at.day == 1
