"""What a speech speaks: a text that is there, or a reply while it is written, followed in its log."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

from shared import events, keys
from shared.broker import Broker
from shared.cells import Cell
from shared.channels import Channels
from shared.errors import BrokerUnavailable
from shared.event_log import EventLog
from shared.events import End, Error, Event, Text, now_ms
from shared.failures import SpeechFailed
from shared.generation import TERMINAL_STATES
from shared.position import ORIGIN

#: Events that come together are read together.
_GATHER_S = 0.02
#: The channel is for speed; what it does not tell is found by looking.
_LOOK_AGAIN_S = 1.0
_BROKER_RETRY_S = 0.3
_LOST_FOR_S = 15
_PAGE = 200


class Sources:
    """The logs that this worker's speeches follow, each heard over one channel for all of them."""

    def __init__(self, broker: Broker, channels: Channels, log: EventLog) -> None:
        self._broker = broker
        self._channels = channels
        self._log = log
        self._followers: dict[str, set[asyncio.Event]] = {}

    async def events(self, cell: Cell, generation_id: str) -> AsyncIterator[list[Event]]:
        """
        What a reply says from its beginning to its end, as it comes; an empty list is a sign of life. Raises
        `SpeechFailed` where its end is nowhere to be found.
        """
        after, ended, looked = ORIGIN, False, 0
        with self._heard(cell, generation_id) as stirred:
            while True:
                stirred.clear()
                try:
                    page = await self._log.read(generation_id, after, _PAGE)
                except BrokerUnavailable:
                    await asyncio.sleep(_BROKER_RETRY_S)
                    yield []
                    continue
                found = [event for entry in page if (event := events.decode(entry.event)) is not None]
                yield found
                if any(isinstance(event, End | Error) for event in found):
                    return
                if page:
                    after = page[-1].position
                    await asyncio.sleep(_GATHER_S)
                    continue
                if ended:
                    if after != ORIGIN:
                        raise SpeechFailed("The rest of this reply is lost.")
                    yield await self._recorded(cell, generation_id)
                    return
                try:
                    async with asyncio.timeout(_LOOK_AGAIN_S):
                        await stirred.wait()
                except TimeoutError:
                    state = await self._state(cell, generation_id)
                    ended = state in TERMINAL_STATES
                    # What a broker has lost, the reply's worker writes again.
                    looked = looked + 1 if state == "" else 0
                    if looked * _LOOK_AGAIN_S > _LOST_FOR_S:
                        raise SpeechFailed("This reply is lost.") from None

    async def _recorded(self, cell: Cell, generation_id: str) -> list[Event]:
        """What a reply said whose log has expired, and how it broke off if it did."""
        key = cell.key(keys.RECORD, generation_id)
        while True:
            with suppress(BrokerUnavailable):
                names = "text", "error_code", "error_message"
                text, code, message = await self._broker.call("text", cell, "HMGET", key, *names)
                said: list[Event] = [Text(now_ms(), text.decode())] if text else []
                if code:
                    said.append(Error(ts=now_ms(), code=code.decode(), message=(message or b"").decode()))
                return said
            await asyncio.sleep(_BROKER_RETRY_S)

    async def _state(self, cell: Cell, generation_id: str) -> str:
        """What its record says; '' where there is none, and `unknown` while the broker is away."""
        key = cell.key(keys.RECORD, generation_id)
        with suppress(BrokerUnavailable):
            state = await self._broker.call("state", cell, "HGET", key, "state")
            return "" if state is None else str(state.decode())
        return "unknown"

    @contextmanager
    def _heard(self, cell: Cell, generation_id: str) -> Iterator[asyncio.Event]:
        """Set whenever something is said in that log."""
        name, stirred = cell.key(keys.LIVE, generation_id), asyncio.Event()
        followers = self._followers.setdefault(name, set())
        followers.add(stirred)
        if len(followers) == 1:
            self._channels.want(cell, name, lambda _: _stir(followers), lambda: _stir(followers))
        try:
            yield stirred
        finally:
            followers.discard(stirred)
            if not followers:
                self._channels.leave(name)
                del self._followers[name]


def _stir(followers: set[asyncio.Event]) -> None:
    for stirred in followers:
        stirred.set()
