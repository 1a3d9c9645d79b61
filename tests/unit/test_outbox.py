"""What is ready for one reader, and how old it is."""

import asyncio
from types import SimpleNamespace
from typing import Any

from gateway.relay.outbox import Outbox


async def test_each_delay_is_measured_once() -> None:
    """The age is that of the oldest live event of a read; a replay has none."""
    outbox = Outbox(100)
    outbox.put(b"a", 10)
    outbox.put(b"b", 20)
    assert (outbox.take(), outbox.taken_ts) == (b"ab", 10)
    outbox.put(b"c")
    assert (outbox.take(), outbox.taken_ts) == (b"c", None)


async def test_its_bound() -> None:
    """One frame always fits into an empty one; then no more than the bound."""
    outbox = Outbox(3)
    assert outbox.fits(b"long frame")
    outbox.put(b"ab")
    assert outbox.fits(b"c")
    assert not outbox.fits(b"cd")
    outbox.drop()
    assert outbox.empty and outbox.size == 0


async def test_a_wait_leaves_nothing_behind() -> None:
    """One that was roused before its time does not rouse the next."""
    outbox, cancelled = Outbox(10), list[float]()
    loop: Any = SimpleNamespace(create_future=asyncio.get_running_loop().create_future)
    loop.call_later = lambda s, _: SimpleNamespace(cancel=lambda: cancelled.append(s))
    outbox._loop = loop
    waiting = asyncio.create_task(outbox.wait(7))
    await asyncio.sleep(0)
    before = outbox.waiting, [*cancelled]
    outbox.rouse()
    await waiting
    assert (before, outbox.waiting, cancelled) == ((True, []), False, [7])
