"""Work whose caller has left."""

import asyncio

import pytest
from structlog.testing import capture_logs

from shared.errors import BrokerUnavailable, Busy
from shared.owned import OwnedWork

LEFT = "work that nobody waits for has failed"


@pytest.mark.parametrize("leaves_by", ["cancel", "time-out"])
@pytest.mark.parametrize(
    ("error", "level"),
    [(None, None), (Busy(), None), (BrokerUnavailable(), "warning"), (KeyError("x"), "error")],
    ids=lambda value: type(value).__name__,
)
async def test_how_it_fails_is_heard_of(leaves_by: str, error: Exception | None, level: str | None) -> None:
    """By the operator, but for a refusal, which was for whoever has left; it comes to its end in any case."""
    owned, done, may_end = OwnedWork(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await may_end.wait()
        done.set()
        if error is not None:
            raise error

    with capture_logs() as logged:
        if leaves_by == "cancel":
            caller = asyncio.create_task(owned.surely(work()))
            await asyncio.sleep(0)
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
        else:
            await owned.for_a_moment(work(), 0)
        assert not done.is_set()
        may_end.set()
        await owned.finished()
    assert done.is_set()
    assert [(line["event"], line["log_level"]) for line in logged] == ([(LEFT, level)] if level else [])
    assert all(line["work"].endswith("work") for line in logged)


@pytest.mark.parametrize("error", [BrokerUnavailable(), KeyError("x"), TimeoutError()], ids=repr)
async def test_who_waits_is_told(error: Exception) -> None:
    """What it raises, and nobody else."""
    owned = OwnedWork()

    async def work() -> None:
        raise error

    with capture_logs() as logged:
        for wait in (owned.surely(work()), owned.for_a_moment(work(), 5)):
            with pytest.raises(type(error)):
                await wait
    assert not logged
