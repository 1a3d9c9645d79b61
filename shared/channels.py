"""
Channels in subscriber mode, over one connection to each primary: what is published is handed over as it
comes.

A connection that breaks, or a cell that moves, may cost messages; whoever listens is told once it hears
again, and reads the truth elsewhere.
"""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress

import structlog

from shared.broker import Broker
from shared.cells import Cell
from shared.cluster import Address, named
from shared.errors import BrokerUnavailable
from shared.subscriber import Channel, Subscriber

logger = structlog.get_logger("shared.channels")

#: How long subscribing waits for the broker.
_SUBSCRIBE_TIMEOUT_S = 2.0
_LOOK_AGAIN_S = 0.2


class Channels:
    """Owns the connections; `run` is its task. *name* is what they are called in logs and metrics."""

    def __init__(self, broker: Broker, name: str) -> None:
        self._broker = broker
        self._name = name
        self._wanted: dict[bytes, Channel] = {}
        self._subscribers: dict[Address, Subscriber] = {}
        self._tasks: dict[Address, asyncio.Task[None]] = {}
        #: Of primaries that are none any more, on their way out.
        self._ending: set[asyncio.Task[None]] = set()
        self._lost_at: dict[Cell, float] = {}
        self._stirred = asyncio.Event()

    def want(
        self, cell: Cell, name: str, heard: Callable[[bytes], None], again: Callable[[], None] | None = None
    ) -> Channel:
        """
        Hand over to *heard* what is published there. *again* is called whenever it is heard from now on: the
        first time, and after each break.
        """
        channel = self._wanted.get(name.encode())
        if channel is None:
            channel = self._wanted[name.encode()] = Channel(cell, name.encode(), heard, again)
            self._place(channel)
        return channel

    async def subscribe(
        self, cell: Cell, name: str, heard: Callable[[bytes], None], again: Callable[[], None] | None = None
    ) -> None:
        """`want`, and wait until everything published from now on is heard. Raises `BrokerUnavailable`."""
        channel = self.want(cell, name, heard, again)
        try:
            async with asyncio.timeout(_SUBSCRIBE_TIMEOUT_S):
                await channel.confirmed.wait()
        except TimeoutError as error:
            raise BrokerUnavailable(retry_after_s=1) from (self._error(channel) or error)

    def leave(self, name: str) -> None:
        """Nothing more is wanted of it."""
        channel = self._wanted.pop(name.encode(), None)
        if channel is not None and channel.subscriber is not None:
            channel.subscriber.remove(channel)

    def away_within(self, cell: Cell, seconds: float) -> bool:
        """Whether the broker of *cell* was away that short a time ago."""
        return asyncio.get_running_loop().time() - self._lost_at.get(cell, -math.inf) < seconds

    def away(self) -> list[str]:
        """The primaries that are not heard at present."""
        return sorted(named(home) for home, each in self._subscribers.items() if each.away)

    async def run(self) -> None:
        """Stay connected for ever, to whichever primaries there are."""
        self._broker.on_move(self._stirred.set)
        try:
            while True:
                self._stirred.clear()
                with suppress(BrokerUnavailable):
                    await self._broker.look()
                self._follow()
                if self._unplaced():
                    await asyncio.sleep(_LOOK_AGAIN_S)
                    continue
                await self._stirred_or_ended()
        finally:
            tasks = {*self._tasks.values(), *self._ending}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _stirred_or_ended(self) -> None:
        stirred = asyncio.create_task(self._stirred.wait())
        try:
            done, _ = await asyncio.wait(
                {stirred, *self._tasks.values()}, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done - {stirred}:
                task.result()
        finally:
            stirred.cancel()

    def _follow(self) -> None:
        """Have one subscriber for each primary, and each channel at its own."""
        homes = set()
        for cell in self._broker.cells:
            with suppress(BrokerUnavailable):
                homes.add(self._broker.home(cell))
        for home in homes - self._subscribers.keys():
            subscriber = Subscriber(self._broker, home, self._name, self._lost, self._stirred.set)
            self._subscribers[home] = subscriber
            self._tasks[home] = asyncio.create_task(subscriber.run())
        for channel in list(self._wanted.values()):
            self._place(channel)
        for home in self._subscribers.keys() - homes:
            # It is no primary any more; whether it hangs or not.
            self._subscribers.pop(home)
            task = self._tasks.pop(home)
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _place(self, channel: Channel) -> None:
        try:
            wanted = self._subscribers.get(self._broker.home(channel.cell))
        except BrokerUnavailable:
            return
        if wanted is None:
            self._stirred.set()
        if channel.subscriber is wanted or wanted is None:
            return
        if channel.subscriber is not None:
            channel.subscriber.remove(channel)
        wanted.add(channel)

    def _unplaced(self) -> bool:
        return any(channel.subscriber is None for channel in self._wanted.values())

    def _lost(self, home: Address) -> None:
        now = asyncio.get_running_loop().time()
        for cell in self._broker.cells:
            with suppress(BrokerUnavailable):
                if self._broker.home(cell) == home:
                    self._lost_at[cell] = now

    def _error(self, channel: Channel) -> Exception | None:
        return None if channel.subscriber is None else channel.subscriber.error
