"""The one writer of a process: a log that the broker refuses costs the others nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from shared.append_line import Answered
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.event_log import Appended, Batch, Entry
from shared.events import End, Text
from shared.generation import Generation
from shared.position import Position
from shared.queue import Claim
from shared.settings import Settings
from worker import appender as module
from worker.appender import Appender, LogWriter


class Log:
    """Refuses whatever has the generation *bad* in it; is away for the first *away* times."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.refused: list[list[str]] = []
        self.written: dict[str, list[bytes]] = {}
        #: How long a log was once its end had come.
        self.closed_at: list[int] = []
        #: Done once, while it is asked to append.
        self.meanwhile: Callable[[], None] = lambda: None
        self._lost: asyncio.Future[None] | None = None

    @asynccontextmanager
    async def line(self) -> AsyncIterator["Log"]:
        """Always the same."""
        self._lost = asyncio.get_running_loop().create_future()
        yield self

    async def lost(self) -> None:
        """As `AppendLine.lost`."""
        assert self._lost is not None
        await self._lost

    def append(self, batches: Sequence[Batch], answered: Answered) -> None:
        """As `AppendLine.append`."""
        assert self._lost is not None
        if self.away:
            self.away -= 1
            self._lost.set_exception(BrokerUnavailable())
            return
        ids = [batch.generation_id for batch in batches]
        if "bad" in ids:
            self.refused.append(ids)
            asyncio.get_running_loop().call_soon(answered, BrokerRefused())
            return
        asyncio.get_running_loop().call_soon(answered, [self._append(batch) for batch in batches])
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()

    def _append(self, batch: Batch) -> Appended:
        log = self.written.setdefault(batch.generation_id, [])
        if batch.start > len(log):
            return Appended("short", len(log))
        log += [entry.event for entry in batch.entries[len(log) - batch.start :]]
        self.closed_at += [len(log)] if batch.closing else []
        return Appended("ok", len(log))


def writer(appender: Appender, generation_id: str, prefix: Sequence[Entry] = ()) -> LogWriter:
    """Of a generation's attempt, after what is there already."""
    generation = Generation(
        id=generation_id, owner="o", state="running", model="m", queue="q", dialect="native", created_ms=1
    )
    claim = Claim(generation, "q", "1:a", 0)
    return LogWriter(appender, claim, list(prefix), on_fenced=lambda: None, on_missing=lambda: None)


async def written(log: Log, ids: Sequence[str]) -> dict[str, LogWriter]:
    """All of them have something to write in the same moment; returns once each is settled."""
    appender = Appender(log.line, Settings(), lambda writer: writer.appender.wake(writer))
    writers = {each: writer(appender, each) for each in ids}
    for each in writers.values():
        each.put(Text(1, "one"))
        each.put(Text(2, "two"))
    running = asyncio.create_task(appender.run())
    async with asyncio.timeout(10):
        await asyncio.gather(*(each.durable() for each in writers.values()))
    running.cancel()
    await asyncio.wait([running])
    return writers


async def test_one_that_is_refused_is_found_among_others() -> None:
    """It alone is fenced, after one more try by itself."""
    log = Log()
    writers = await written(log, ["a", "bad", "b"])
    assert {name for name, each in writers.items() if each.fenced} == {"bad"}
    assert {name: len(events) for name, events in log.written.items()} == {"a": 2, "b": 2}
    assert log.refused == [["a", "bad", "b"], ["bad"]]


class Pauses(tuple[float, ...]):
    """None takes any time; which of them came is known."""

    seen: list[int]

    def __getitem__(self, at: int) -> float:  # type: ignore[override]
        """The next."""
        self.seen.append(at)
        return 0


async def test_an_absent_broker_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written is tried again until it is, after longer and longer pauses."""
    pauses = Pauses(module._BACKOFF_S)
    pauses.seen = []
    monkeypatch.setattr(module, "_BACKOFF_S", pauses)
    log = Log(away=6)
    await written(log, ["a", "b"])
    assert {name: len(events) for name, events in log.written.items()} == {"a": 2, "b": 2}
    assert pauses.seen == [0, 1, 2, 3, 3, 3]


async def test_what_comes_meanwhile_is_written_too() -> None:
    """An answer is about what was sent; an end goes with its last event, and who is fenced writes none."""
    log = Log()
    appender = Appender(log.line, Settings(), lambda writer: writer.appender.wake(writer))
    prefix = [Entry(Position(1, 0), b"x" * 10)]
    log.written["a"] = [entry.event for entry in prefix]
    held, fenced = writer(appender, "a", prefix), writer(appender, "fenced")
    running = asyncio.create_task(appender.run())
    async with asyncio.timeout(10):
        log.meanwhile = lambda: held.put(Text(1, "two"))
        held.put(Text(1, "one"))
        fenced.put(Text(1, "late"))
        fenced.fence()
        await held.durable()
        assert len(log.written["a"]) == 3
        for _ in range(2 * module._MAX_EVENTS):
            held.put(Text(1, "x"))
        held.put(End(ts=1, finish_reason="stop"), b"{}")
        await held.durable()
    running.cancel()
    await asyncio.wait([running])
    assert log.closed_at == [4 + 2 * module._MAX_EVENTS]
    assert "fenced" not in log.written
    assert held.bytes == sum(len(event) for event in log.written["a"])


async def test_a_tail_that_was_lost_is_written_again() -> None:
    """All that the writer holds from there on, each event once and in order."""
    log = Log()
    appender = Appender(log.line, Settings(), lambda writer: writer.appender.wake(writer))
    held = writer(appender, "a")
    running = asyncio.create_task(appender.run())
    async with asyncio.timeout(10):
        for text in ("one", "two", "three"):
            held.put(Text(1, text))
            await held.durable()
        del log.written["a"][1:]
        held.put(Text(1, "four"))
        await held.durable()
    running.cancel()
    await asyncio.wait([running])
    assert [event.split(b'"text":"')[1].split(b'"')[0] for event in log.written["a"]] == [
        *(b"one", b"two", b"three", b"four"),
    ]


async def gap_after(events: int) -> float:
    """Seconds from an append of so many events to the next one, where the longest pause is 0.4."""
    log = Log()
    seldom = Settings(append_interval_s=0.4)
    appender = Appender(log.line, seldom, lambda writer: writer.appender.wake(writer))
    held = writer(appender, "a")
    held.put(Text(1, "first words do not wait"))
    running = asyncio.create_task(appender.run())
    await held.durable()
    loop = asyncio.get_running_loop()
    for _ in range(events):
        held.put(Text(1, "x"))
    await held.durable()
    began = loop.time()
    held.put(Text(1, "the next"))
    await held.durable()
    running.cancel()
    await asyncio.wait([running])
    return loop.time() - began


async def test_the_pause_is_by_what_there_is_to_share() -> None:
    """After many events it is the longest there is, after one a small part of it."""
    few, many = await asyncio.gather(gap_after(1), gap_after(16))
    assert many > 0.35
    assert few < many / 2
