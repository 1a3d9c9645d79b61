"""
One connection to one primary in subscriber mode, kept for ever; see `shared/channels.py` for all of
them.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from redis.asyncio import Connection
from redis.exceptions import AskError

from shared import metrics
from shared.broker import BROKEN, Broker
from shared.cells import Cell
from shared.cluster import Address, named
from shared.redis_private import PushReader

logger = structlog.get_logger("shared.subscriber")

#: A connection that is silent for this long is asked for a sign of life; twice that, and it is dead.
_PING_S = 1.5
_BACKOFF_S = (0.05, 0.1, 0.2, 0.5)
#: Channels in one command.
_MOST_AT_ONCE = 500


class Channel:
    """What is published under a name, for one who listens; at its subscriber, once it has one."""

    __slots__ = ("again", "cell", "confirmed", "heard", "name", "subscriber")

    def __init__(
        self, cell: Cell, name: bytes, heard: Callable[[bytes], None], again: Callable[[], None] | None
    ) -> None:
        self.cell = cell
        self.name = name
        self.heard = heard
        self.again = again
        #: Whether everything that is published from now on is heard.
        self.confirmed = asyncio.Event()
        self.subscriber: Subscriber | None = None


class Subscriber:
    """
    Owns the connection to the primary *home*; `run` is its task.

    *lost* is called when it breaks, *stir* when a channel turns out to be elsewhere.
    """

    def __init__(
        self,
        broker: Broker,
        home: Address,
        name: str,
        lost: Callable[[Address], None],
        stir: Callable[[], None],
    ) -> None:
        self._broker = broker
        self._home = home
        self._name = name
        self._lost = lost
        self._stir = stir
        sharded = "S" if broker.clustered else ""
        self._subscribe, self._unsubscribe = f"{sharded}SUBSCRIBE", f"{sharded}UNSUBSCRIBE"
        self._kinds = tuple(
            f"{sharded.lower()}{kind}".encode() for kind in ("message", "subscribe", "unsubscribe")
        )
        self._channels: dict[bytes, Channel] = {}
        self._connection: Connection | None = None
        self._read_at = 0.0
        self._outgoing: asyncio.Queue[tuple[str, Channel]] = asyncio.Queue()
        #: Why it broke the last time.
        self.error: Exception | None = None
        #: From when it broke until something is heard again: a node that hangs still takes connections.
        self.away = False

    def add(self, channel: Channel) -> None:
        """Listen there."""
        channel.subscriber = self
        self._channels[channel.name] = channel
        self._outgoing.put_nowait((self._subscribe, channel))

    def remove(self, channel: Channel) -> None:
        """Listen there no more."""
        self._forget(channel)
        self._outgoing.put_nowait((self._unsubscribe, channel))

    async def run(self) -> None:
        """Stay connected for ever."""
        failures = 0
        while True:
            try:
                connection = await self._connect()
                failures = 0
                await self._follow(connection)
            except BROKEN as error:
                if not self.away:
                    # Once: it is tried again and again.
                    self.away, why = True, str(error) or type(error).__name__
                    self._say("connection lost, connecting again", error=why)
                metrics.redis_failures.labels(self._name).inc()
                self.error = error
                self._lost(self._home)
                if isinstance(error, AskError):
                    self._stir()
            finally:
                await self._disconnect()
            await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            failures += 1

    def _say(self, what: str, **more: str) -> None:
        logger.warning(what, channels=self._name, node=named(self._home), **more)

    async def _connect(self) -> Connection:
        connection = self._connection = self._broker.connection(self._home)
        async with asyncio.timeout(2 * _PING_S):
            await connection.connect()  # type: ignore[no-untyped-call]
        self._read_at = time.monotonic()
        self._outgoing = asyncio.Queue()
        for channel in sorted(self._channels.values(), key=lambda channel: channel.cell.number):
            channel.confirmed.clear()
            self._outgoing.put_nowait((self._subscribe, channel))
        return connection

    async def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(*BROKEN):
                await connection.disconnect(nowait=True)

    async def _follow(self, connection: Connection) -> None:
        tasks = [
            asyncio.create_task(self._send(connection)),
            asyncio.create_task(self._receive(connection)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, connection: Connection) -> None:
        while True:
            try:
                async with asyncio.timeout(_PING_S):
                    command, channel = await self._outgoing.get()
            except TimeoutError:
                self._refuse_silence()
                await connection.send_command("PING", check_health=False)
                continue
            # Also where there is always something to ask for, which leaves no time for a ping.
            self._refuse_silence()
            group, cell = [channel.name], channel.cell
            while not self._outgoing.empty() and len(group) < _MOST_AT_ONCE:
                following, channel = self._outgoing.get_nowait()
                # One command is about one slot.
                if following != command or channel.cell is not cell:
                    await connection.send_command(command, *group, check_health=False)
                    command, cell, group = following, channel.cell, []
                group.append(channel.name)
            await connection.send_command(command, *group, check_health=False)

    def _refuse_silence(self) -> None:
        """Raises `TimeoutError` where nothing has been heard for too long, not even an answer."""
        if time.monotonic() - self._read_at > 2 * _PING_S:
            raise TimeoutError

    async def _receive(self, connection: Connection) -> None:
        reader = PushReader(connection)
        message_kind, subscribed, unsubscribed = self._kinds
        while True:
            await reader.wait()
            self._read_at = time.monotonic()
            if self.away:
                self.away = False
                self._say("connected again")
            for message in reader.messages():
                kind = message[0]
                if kind == message_kind:
                    channel = self._channels.get(message[1])
                    if channel is not None:
                        channel.heard(message[2])
                elif kind == subscribed:
                    self._heard_from_now_on(message[1])
                elif kind == unsubscribed:
                    self._left(message[1])

    def _heard_from_now_on(self, name: bytes) -> None:
        channel = self._channels.get(name)
        if channel is not None:
            channel.confirmed.set()
            if channel.again is not None:
                channel.again()

    def _left(self, name: bytes) -> None:
        channel = self._channels.get(name)
        # One that we have just asked for again is not confirmed; otherwise its slot has moved.
        if channel is not None and channel.confirmed.is_set():
            self._forget(channel)
            self._stir()

    def _forget(self, channel: Channel) -> None:
        self._channels.pop(channel.name, None)
        channel.subscriber = None
        channel.confirmed.clear()
