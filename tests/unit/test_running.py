"""What a worker knows of a generation under way, and what it may claim."""

import asyncio
from typing import Any, cast

import pytest

from shared.broker import Broker
from shared.errors import BrokerUnavailable
from shared.generation import Generation
from shared.queue import Claim, Renewed
from shared.settings import Settings
from tests.kit.eventually import eventually
from worker.cancels import Cancels
from worker.registry import Registry
from worker.running import Fenced, Running, Stopped


def running(begun_s: float = 0, lost: int = 0) -> Running:
    """One that was first claimed so long ago, and has lost so many workers."""
    generation = Generation(
        id="gen_1",
        owner="o",
        state="running",
        model="m",
        queue="q",
        dialect="native",
        created_ms=1,
        lost=lost,
    )
    return Running(Claim(generation, "q", "1:a", 0, begun_s=begun_s))


async def test_elapsed_since_the_first_claim() -> None:
    """A time limit is that of all attempts together."""
    assert 100 <= running(begun_s=100).elapsed_s < 160


def registry() -> Registry:
    """Of a process without a broker."""
    nothing, settings = cast(Any, None), Settings(lease_s=10, max_attempts=3)
    return Registry(Broker(settings), nothing, Cancels(), settings)


async def test_what_is_claimed_after_the_broker_was_away() -> None:
    """Until a lease is over, what was queued since it came back; before and after, whatever is due."""
    registered = registry()
    [cell] = registered._cells
    seen = [registered.queued_within_s(cell)]
    registered.broker_failed(cell, BrokerUnavailable())
    seen.append(registered.queued_within_s(cell))
    registered._failed_at[cell] -= 10
    seen.append(registered.queued_within_s(cell))
    before, since, after = seen
    assert before is None
    assert since is not None and since < 10
    assert after is None


async def test_a_cell_that_was_away_alone_is_claimed_with_care() -> None:
    """What is queued in the others is taken as ever."""
    settings = Settings(cells=2)
    registered = Registry(Broker(settings), cast(Any, None), Cancels(), settings)
    away, there = registered._cells
    registered.broker_failed(away, BrokerUnavailable())
    assert registered.queued_within_s(there) is None
    assert registered.queued_within_s(away) is not None


async def test_room_for_one_suspect() -> None:
    """One that has a last worker to lose runs beside no other such."""
    registered = registry()
    with registered.room_for_suspect() as room, registered.room_for_suspect() as beside:
        assert (room, beside) == (1, 0)
    suspect = running(lost=2)
    registered.add(suspect)
    with registered.room_for_suspect() as room:
        assert room == 0
    registered.remove(suspect)
    with registered.room_for_suspect() as room:
        assert room == 1


async def test_the_first_reason_counts() -> None:
    """Whatever else comes before it is over."""
    stopped = running()
    stopped.stop("abandoned")
    stopped.stop("user")
    stopped.fence()
    assert isinstance(stopped.interruption, Stopped)
    assert stopped.interruption.reason == "abandoned"


async def test_who_is_watched_again_is_not_abandoned() -> None:
    """Neither stopped nor counted."""
    seen = running()
    for listeners in (0, 1):
        seen.watched(listeners, 0)
        assert seen.abandoned is (listeners == 0)
    assert seen.interruption is None


async def test_a_newer_attempt_in_the_same_process() -> None:
    """It stays when the one before it ends, and is stopped like any other."""
    registered, cancels = registry(), Cancels()
    registered._cancels = cancels
    first, second = running(), running()
    registered.add(first)
    registered.add(second)
    registered.remove(first)
    cancels.heard(b"gen_1 user")
    assert isinstance(second.interruption, Stopped)
    registered.remove(second)
    assert "gen_1" not in registered
    assert not cancels._stops


@pytest.mark.parametrize(("silent_s", "restored"), [(0, True), (10_000_000, False)])
async def test_a_record_that_is_gone(silent_s: float, restored: bool) -> None:
    """It is written again where it was seen a while ago; else it has ended, and expired since."""
    registered, lost = registry(), running()
    [cell] = registered._cells
    registered.add(lost)
    lost.confirmed_at -= silent_s
    written: list[Claim] = []

    class Gone:
        async def renew(self, *_: Any) -> list[Renewed]:
            return [Renewed("missing", 0, "", 1)]

        async def restore(self, claim: Claim) -> None:
            written.append(claim)

    registered._queue = cast(Any, Gone())
    await registered._renew(cell)
    assert bool(written) is restored
    assert isinstance(lost.interruption, Fenced) is not restored


async def test_a_renewal_that_fails_tells_of_the_broker() -> None:
    """Claims are made with care from then on, as after one that failed itself."""
    registered = registry()
    [cell] = registered._cells

    class Away:
        async def look(self) -> int:
            raise BrokerUnavailable

    registered._clocks[cell] = cast(Any, Away())
    keeping = asyncio.create_task(registered.keep_leases())
    registered.look_at_once("gen_1")
    await eventually(lambda: registered.queued_within_s(cell) is not None, "it is told")
    keeping.cancel()
    await asyncio.wait([keeping])
