"""
What workers append, pushed as it comes: the channels of attached generations.

Messages may be lost when a connection breaks; whoever listens is told once it hears again, and reads the log.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from shared import keys
from shared.broker import Broker
from shared.cells import Cell
from shared.channels import Channels


class Live:
    """
    `run` is its task.

    *deliver* gets a generation's id and a payload; *subscribed* gets an id whenever its channel is
    heard from now on, the first time and after each break.
    """

    def __init__(
        self, broker: Broker, deliver: Callable[[str, bytes], None], subscribed: Callable[[str], None]
    ) -> None:
        self._cells = broker.cells
        self._channels = Channels(broker, "live")
        self._deliver = deliver
        self._subscribed = subscribed
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        self.run = self._channels.run
        self.away = self._channels.away

    async def subscribe(self, generation_id: str) -> None:
        """Returns once everything published from now on will be delivered. Raises `BrokerUnavailable`."""
        if (leaving := self._leaving.pop(generation_id, None)) is not None:
            leaving.cancel()
        cell = self._cells.of_generation(generation_id)
        heard, again = partial(self._deliver, generation_id), partial(self._subscribed, generation_id)
        await self._channels.subscribe(cell, cell.key(keys.LIVE, generation_id), heard, again)

    async def try_out(self, cell: Cell) -> None:
        """Subscribe to a channel of no generation, and leave it. Raises `BrokerUnavailable`."""
        name = cell.key(keys.LIVE, "ready")
        try:
            await self._channels.subscribe(cell, name, lambda _: None)
        finally:
            self._channels.leave(name)

    def unsubscribe(self, generation_id: str, *, linger_s: float = 0) -> None:
        """Nothing more is wanted of it. Whoever counts listeners goes on counting this one for *linger_s*."""
        if linger_s:
            later = asyncio.get_running_loop().call_later(linger_s, self._leave, generation_id)
            self._leaving[generation_id] = later
        else:
            self._leave(generation_id)

    def away_within(self, generation_id: str, seconds: float) -> bool:
        """Whether the broker of that generation was away that short a time ago."""
        return self._channels.away_within(self._cells.of_generation(generation_id), seconds)

    def _leave(self, generation_id: str) -> None:
        self._leaving.pop(generation_id, None)
        cell = self._cells.of_generation(generation_id)
        self._channels.leave(cell.key(keys.LIVE, generation_id))
