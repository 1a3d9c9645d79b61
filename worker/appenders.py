"""
One appender for each primary, and which of them a generation's writer belongs to, wherever its cell
moves.
"""

import asyncio
from contextlib import suppress
from functools import partial

from shared.append_line import append_line
from shared.broker import Broker
from shared.cluster import Address
from shared.errors import BrokerUnavailable
from shared.settings import Settings
from worker.appender import Appender, LogWriter


class Appenders:
    """Owns them; `run` is their task."""

    def __init__(self, broker: Broker, settings: Settings) -> None:
        self._broker = broker
        self._settings = settings
        self._appenders: dict[Address, Appender] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def of(self, generation_id: str) -> Appender:
        """
        The appender that is near that generation's log. Raises `BrokerUnavailable` where that is not
        known.
        """
        home = self._broker.home(self._broker.cells.of_generation(generation_id))
        appender = self._appenders.get(home)
        if appender is None:
            line = partial(append_line, self._broker, home)
            appender = self._appenders[home] = Appender(line, self._settings, self._hand_on)
            if self._tasks is not None:
                self._tasks.create_task(appender.run())
        return appender

    async def run(self) -> None:
        """Append for ever."""
        async with asyncio.TaskGroup() as self._tasks:
            for appender in self._appenders.values():
                self._tasks.create_task(appender.run())
            await asyncio.get_running_loop().create_future()

    def _hand_on(self, writer: LogWriter) -> None:
        """What an appender could not write goes to the one that is near it by now."""
        with suppress(BrokerUnavailable):
            writer.appender = self.of(writer.generation_id)
        writer.appender.wake(writer)
