"""Where replay and live meet, for several readers of one generation."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.dialects.native.frames import NATIVE
from gateway.relay.audience import Audience
from gateway.relay.feed import Feed, Subscriber
from gateway.relay.live import Live
from gateway.relay.outbox import Outbox
from gateway.relay.pages import Pages
from gateway.relay.relay import Relay
from gateway.relay.replay_gate import Turns
from shared import events
from shared.cells import Cells
from shared.errors import AccessEnded, BrokerRefused, BrokerUnavailable, Draining, Internal
from shared.event_log import Entry
from shared.events import End, Start, Text
from shared.generation import Generation
from shared.position import ORIGIN, Position


def entry(seq: int) -> Entry:
    """The event at that place."""
    event = Text(1, f" {seq}") if seq else Start(ts=1, model="m")
    return Entry(Position(1, seq), events.encode(event))


async def test_who_begins_further_on_takes_nothing_from_the_others() -> None:
    """A reader that joins ahead of what was pushed so far sends those that it overtakes to the log."""
    generation = Generation(
        id="gen_1", owner="o", state="running", model="m", queue="q", dialect="native", created_ms=1
    )
    feed = Feed(generation, cast(Any, None), Turns(), cast(Any, None))
    behind = Subscriber(feed, NATIVE, ORIGIN, Outbox(10_000))
    feed.begin(behind)
    feed.deliver(entry(0))
    ahead = Subscriber(feed, NATIVE, Position(1, 5), Outbox(10_000))
    feed.join(ahead, NATIVE.encoder(generation), [])
    assert ahead.live
    assert not behind.live, "1-1 to 1-5 are only in the log for it"
    feed.deliver(entry(6))
    assert b'" 6"' in await ahead.read()
    assert b'" 6"' not in await behind.read()


def feed_with_a_reader() -> tuple[Feed, Subscriber]:
    """One that is live from the first event on."""
    generation = Generation(
        id="gen_1", owner="o", state="running", model="m", queue="q", dialect="native", created_ms=1
    )
    feed = Feed(generation, cast(Any, None), Turns(), cast(Any, None))
    reader = Subscriber(feed, NATIVE, ORIGIN, Outbox(10_000))
    feed.begin(reader)
    return feed, reader


async def test_what_comes_twice_is_dropped() -> None:
    """By its position, whatever it says."""
    feed, reader = feed_with_a_reader()
    for seq in (0, 1, 1, 0, 2):
        feed.deliver(entry(seq))
    read = await reader.read()
    assert [read.count(f"id: 1-{seq}\n".encode()) for seq in range(3)] == [1, 1, 1]
    assert reader.live


async def test_a_gap_sends_readers_to_the_log() -> None:
    """Nothing after it is pushed to them until they have read what is missing."""
    feed, reader = feed_with_a_reader()
    feed.deliver(entry(0))
    feed.deliver(entry(2))
    assert not reader.live
    assert b"1-2" not in await reader.read()


async def test_who_has_not_read_all_is_not_live() -> None:
    """What was pushed while a page was read is in no page: the reader reads on."""
    feed, _ = feed_with_a_reader()
    for seq in range(4):
        feed.deliver(entry(seq))
    late = Subscriber(feed, NATIVE, ORIGIN, Outbox(10_000))
    late.cursor = Position(1, 2)
    feed.join(late, NATIVE.encoder(feed.generation), [entry(0), entry(1), entry(2)])
    assert not late.live
    late.cursor = Position(1, 3)
    feed.join(late, NATIVE.encoder(feed.generation), [entry(3)])
    assert late.live


async def test_finished_is_who_has_read_the_end() -> None:
    """Not before it has been handed over, whatever else happens then."""
    feed, reader = feed_with_a_reader()
    feed.deliver(entry(0))
    feed.deliver(Entry(Position(1, 1), events.encode(End(ts=1, finish_reason="stop"))))
    assert not reader.finished
    assert b'"end"' in await reader.read()
    reader.fail(Draining())
    assert reader.finished


async def test_a_place_is_told_when_it_changes() -> None:
    """Once, however often it is looked up."""
    feed, reader = feed_with_a_reader()
    feed.deliver(entry(0))
    await reader.read()
    for told, places in ((1, [2]), (1, [2, 2, 1])):
        reading = asyncio.create_task(reader.read())
        await asyncio.sleep(0)
        for place in places:
            reader.say_place(place)
        assert (await reading).count(b'"queued"') == told


class Log:
    """A log of three events, which counts how often it is read; each reading waits for its turn."""

    def __init__(self) -> None:
        self.reads = 0
        self.turn = asyncio.Event()
        self.refuses = False

    async def read(self, generation_id: str, after: Position, count: int) -> list[Entry]:
        """As `EventLog.read`."""
        self.reads += 1
        await self.turn.wait()
        await asyncio.sleep(0)
        if self.refuses:
            raise BrokerRefused
        return [entry(seq) for seq in range(after.seq + 1, 3)]


def crowd_of(log: Log, size: int) -> list["asyncio.Task[bytes]"]:
    """Readers of one generation that come back at once, after the first event."""
    generation = Generation(
        id="gen_1", owner="o", state="running", model="m", queue="q", dialect="native", created_ms=1
    )
    feed = Feed(generation, cast(Any, log), Turns(), cast(Any, None))
    readers = [Subscriber(feed, NATIVE, Position(1, 0), Outbox(10_000)) for _ in range(size)]
    return [asyncio.create_task(reader.read()) for reader in readers]


async def test_a_crowd_shares_a_page() -> None:
    """The log is read once for all, and each gets all of it; also where the one who reads it leaves."""
    log = Log()
    leaves, *stay = crowd_of(log, 20)
    await asyncio.sleep(0)
    leaves.cancel()
    log.turn.set()
    read = await asyncio.gather(*stay)
    assert {frames.count(b"id: ") for frames in read} == {2}
    assert all(b"id: 1-1" in frames and b"id: 1-2" in frames for frames in read)
    assert log.reads == 2


async def test_who_comes_later_reads_anew() -> None:
    """A page is of those who asked while it was read: it may be longer since."""
    log = Log()
    log.turn.set()
    pages = Pages(feed_with_a_reader()[0].generation, cast(Any, log), Turns())
    for reads in (1, 2):
        async with pages.after(ORIGIN, lambda: None) as page:
            assert len(page.entries) == 3
        assert log.reads == reads


async def test_a_crowd_shares_a_refusal() -> None:
    """What the broker refuses one, it refuses all of them, and nobody waits for ever."""
    log = Log()
    log.refuses = True
    crowd = crowd_of(log, 20)
    log.turn.set()
    for reader in crowd:
        with pytest.raises(BrokerRefused):
            await reader
    assert log.reads == 1


async def test_who_may_read_no_more() -> None:
    """Not even what is buffered; but the end, which has come already, and all before it."""
    feed, reader = feed_with_a_reader()
    feed.deliver(entry(0))
    reader.dismiss(AccessEnded())
    with pytest.raises(AccessEnded):
        await reader.read()
    feed, reader = feed_with_a_reader()
    feed.deliver(entry(0))
    feed.deliver(Entry(Position(1, 1), events.encode(End(ts=1, finish_reason="stop"))))
    reader.dismiss(AccessEnded())
    assert b'"end"' in await reader.read()
    assert await reader.read() == b""


async def test_no_place_after_the_first_word() -> None:
    """Whoever has begun to read an answer waits for no turn."""
    feed, reader = feed_with_a_reader()
    for seq in range(2):
        feed.deliver(entry(seq))
    await reader.read()
    reading = asyncio.create_task(reader.read())
    await asyncio.sleep(0)
    reader.say_place(3)
    feed.deliver(entry(2))
    assert b'"queued"' not in await reading


async def test_first_words_are_not_waited_for_longer() -> None:
    """Than is said: what has come by then is given."""
    feed, reader = feed_with_a_reader()
    feed.deliver(entry(0))
    async with asyncio.timeout(5):
        assert b'"start"' in await reader.first_words(0.01)


async def test_a_broker_that_is_away_is_not_pressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of the log tries again after a moment."""
    feed, reader = feed_with_a_reader()
    reader.read_log()
    waits: list[float | None] = []

    def away(*_: Any) -> Any:
        raise BrokerUnavailable

    async def wait(seconds: float | None = None) -> None:
        waits.append(seconds)
        reader.fail(Draining())

    monkeypatch.setattr(feed.pages, "after", away)
    monkeypatch.setattr(reader._outbox, "wait", wait)
    with pytest.raises(Draining):
        await reader.read()
    assert waits == [0.3]


async def test_who_comes_after_all_have_left() -> None:
    """Is live by its own encoder: that of those before has not seen what it has."""
    feed, reader = feed_with_a_reader()
    audience: Audience[Subscriber] = Audience()
    first, second = (NATIVE.encoder(feed.generation) for _ in range(2))
    audience.add(reader, first)
    audience.remove(reader)
    assert audience.empty
    audience.add(reader, second)
    [(encoder, readers)] = audience._of.values()
    assert encoder is second and readers == {reader}


async def test_one_feed_that_fails() -> None:
    """A defect that one generation meets ends its own streams; a push that is none sends them to the log."""
    ended: list[Any] = []
    relay = object.__new__(Relay)

    def deliver(entry: Entry) -> None:
        raise RuntimeError("a defect")

    feed: Any = SimpleNamespace(deliver=deliver, fail=ended.append, heal=lambda: ended.append("healed"))
    relay._feeds = {"gen_1": feed}
    relay._heard("gen_1", b"1-1 {}")
    relay._heard("gen_1", b"nothing")
    relay._heard("gen_2", b"1-1 {}")
    assert [type(it) for it in ended] == [Internal, str]
    relay._draining = True
    with pytest.raises(Draining):
        async with relay.subscribe(feed, NATIVE):
            pass


async def test_who_comes_back_in_time_has_not_left() -> None:
    """Its generation is listened to without a break."""
    live, did = object.__new__(Live), list[str]()

    async def subscribe(*_: Any) -> None:
        did.append("subscribed")

    channels: Any = SimpleNamespace(subscribe=subscribe, leave=lambda name: did.append("left"))
    live._cells, live._channels, live._leaving = Cells(1), channels, {}
    live._deliver, live._subscribed = lambda *_: None, lambda _: None
    live.unsubscribe("gen_1", linger_s=60)
    leaving = live._leaving["gen_1"]
    await live.subscribe("gen_1")
    assert leaving.cancelled() and did == ["subscribed"] and not live._leaving
    live.unsubscribe("gen_1")
    assert did == ["subscribed", "left"]
