"""
The pages of one generation's log: each is read and decoded once for all readers who want it at the same
moment, and encoded once for those of a dialect whose frames depend on their event alone.

So a crowd that comes back at once costs little more than one of them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cached_property

from gateway.relay.dialect import Dialect
from gateway.relay.replay_gate import Turns
from shared import events
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.event_log import Entry, EventLog
from shared.events import Event, Picture
from shared.generation import Generation
from shared.position import Position

#: A picture of that generation, with its bytes where they are still kept.
Fill = Callable[[Generation, Picture], Awaitable[Picture]]
#: Entries read from a log at a time.
_PAGE = 500


class Page:
    """A piece of a log, and *heard*, the last position that had been pushed when its reading began."""

    def __init__(self, generation: Generation, entries: list[Entry], heard: Position | None) -> None:
        self.entries = entries
        self.heard = heard
        self._generation = generation
        self._frames: dict[Dialect, list[bytes]] = {}

    @property
    def is_last(self) -> bool:
        """Whether the log ended there."""
        return len(self.entries) < _PAGE

    @cached_property
    def events(self) -> list[Event | None]:
        """What the entries say."""
        return [events.decode(entry.event) for entry in self.entries]

    async def fill(self, pictures: Fill) -> None:
        """Give all pictures their bytes, for dialects that carry them. Raises `BrokerUnavailable`."""
        for at, event in enumerate(self.events):
            if isinstance(event, Picture) and event.part.blob and not event.data:
                self.events[at] = await pictures(self._generation, event)

    def frames(self, dialect: Dialect) -> list[bytes]:
        """The frames of each event in a stateless *dialect*."""
        frames = self._frames.get(dialect)
        if frames is None:
            encode = dialect.encoder(self._generation).encode
            frames = self._frames[dialect] = [
                encode(entry.position, event) if event is not None else b""
                for entry, event in zip(self.entries, self.events, strict=True)
            ]
        return frames


class Pages:
    """All that is being read of one log."""

    def __init__(self, generation: Generation, log: EventLog, turns: Turns) -> None:
        self._generation = generation
        self._log = log
        self._turns = turns
        self._reading: dict[Position, asyncio.Future[Page]] = {}

    @asynccontextmanager
    async def after(self, cursor: Position, heard: Callable[[], Position | None]) -> AsyncIterator[Page]:
        """
        The page after *cursor*, for as long as the block lasts; *heard* tells the last position that was
        pushed so far. Raises as `EventLog.read`.

        It may be one that another reader had begun to read, if that is not here yet: what was pushed since
        then is told by its position, as always.
        """
        while (reading := self._reading.get(cursor)) is not None:
            await asyncio.wait([reading])
            if not reading.cancelled():
                yield reading.result()
                return
            # Its reader has left before it had read.
        reading = self._reading[cursor] = asyncio.get_running_loop().create_future()
        try:
            async with self._turns.pages:
                yield await self._read(cursor, heard(), reading)
        finally:
            self._end(cursor, reading)

    async def _read(self, cursor: Position, heard: Position | None, reading: "asyncio.Future[Page]") -> Page:
        try:
            page = Page(self._generation, await self._log.read(self._generation.id, cursor, _PAGE), heard)
            reading.set_result(page)
        except (BrokerUnavailable, BrokerRefused) as error:
            reading.set_exception(error)
            # Perhaps nobody else waits for it.
            reading.exception()
            raise
        finally:
            self._end(cursor, reading)
        return page

    def _end(self, cursor: Position, reading: "asyncio.Future[Page]") -> None:
        """Who comes from now on reads anew."""
        reading.cancel()
        if self._reading.get(cursor) is reading:
            del self._reading[cursor]
