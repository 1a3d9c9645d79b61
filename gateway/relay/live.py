"""
The gateway's one connection in subscriber mode: channels of attached generations, pushed as they come.

It may lose messages when it reconnects; whoever listens is told once it hears again, and reads the log.
"""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from redis.asyncio import Connection

from shared import keys, metrics
from shared.broker import BROKEN, Broker
from shared.errors import BrokerUnavailable
from shared.redis_private import PushReader

logger = structlog.get_logger("gateway.relay.live")

#: A connection that is silent for this long is asked for a sign of life; twice that, and it is dead.
_PING_S = 1.5
_BACKOFF_S = (0.05, 0.1, 0.2, 0.5)
#: How long attaching waits for the broker.
_SUBSCRIBE_TIMEOUT_S = 2.0


class Live:
    """
    Owns the connection; `run` is its task.

    *deliver* gets a generation's id and a payload; *subscribed* gets an id whenever its channel is
    heard from now on, the first time and after each reconnect.
    """

    def __init__(
        self, broker: Broker, deliver: Callable[[str, bytes], None], subscribed: Callable[[str], None]
    ) -> None:
        self._broker = broker
        self._deliver = deliver
        self._subscribed = subscribed
        self._wanted: dict[bytes, asyncio.Future[None]] = {}
        self._leaving: dict[bytes, asyncio.TimerHandle] = {}
        self._connection: Connection | None = None
        self._lost_at = -math.inf
        self._error: Exception | None = None
        self._read_at = 0.0
        self._outgoing: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def subscribe(self, generation_id: str) -> None:
        """Returns once everything published from now on will be delivered. Raises `BrokerUnavailable`."""
        channel = self._channel(generation_id)
        if (leaving := self._leaving.pop(channel, None)) is not None:
            leaving.cancel()
        confirmed = self._wanted.get(channel)
        if confirmed is None:
            confirmed = self._wanted[channel] = asyncio.get_running_loop().create_future()
            self._outgoing.put_nowait(("SUBSCRIBE", channel))
        try:
            async with asyncio.timeout(_SUBSCRIBE_TIMEOUT_S):
                await asyncio.shield(confirmed)
        except TimeoutError as error:
            raise BrokerUnavailable(retry_after_s=1) from error

    async def try_out(self) -> None:
        """Subscribe to a channel of no generation, and leave it. Raises `BrokerUnavailable`."""
        try:
            await self.subscribe("ready")
        except BrokerUnavailable as error:
            raise error from self._error
        finally:
            self.unsubscribe("ready")

    def unsubscribe(self, generation_id: str, *, linger_s: float = 0) -> None:
        """Nothing more is wanted of it. Whoever counts listeners goes on counting this one for *linger_s*."""
        channel = self._channel(generation_id)
        if linger_s:
            later = asyncio.get_running_loop().call_later(linger_s, self._leave, channel)
            self._leaving[channel] = later
        else:
            self._leave(channel)

    def _leave(self, channel: bytes) -> None:
        self._leaving.pop(channel, None)
        confirmed = self._wanted.pop(channel, None)
        if confirmed is not None:
            confirmed.cancel()
            self._outgoing.put_nowait(("UNSUBSCRIBE", channel))

    def away_within(self, seconds: float) -> bool:
        """Whether the broker was away that short a time ago."""
        return asyncio.get_running_loop().time() - self._lost_at < seconds

    async def run(self) -> None:
        """Stay connected for ever."""
        failures = 0
        while True:
            try:
                connection = await self._connect()
                failures = 0
                await self._follow(connection)
            except BROKEN as error:
                logger.warning(
                    "live connection lost, connecting again", error=str(error) or type(error).__name__
                )
                metrics.redis_failures.labels("live").inc()
                self._error = error
                self._lost_at = asyncio.get_running_loop().time()
            finally:
                await self._disconnect()
            await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            failures += 1

    async def _connect(self) -> Connection:
        connection = self._connection = self._broker.connection()
        async with asyncio.timeout(2 * _PING_S):
            await connection.connect()  # type: ignore[no-untyped-call]
        self._read_at = time.monotonic()
        self._outgoing = asyncio.Queue()
        for channel, confirmed in list(self._wanted.items()):
            if confirmed.done():
                self._wanted[channel] = asyncio.get_running_loop().create_future()
            self._outgoing.put_nowait(("SUBSCRIBE", channel))
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
                if time.monotonic() - self._read_at > 2 * _PING_S:
                    raise
                await connection.send_command("PING", check_health=False)
                continue
            group = [channel]
            while not self._outgoing.empty() and len(group) < 500:
                following, other = self._outgoing.get_nowait()
                if following != command:
                    await connection.send_command(command, *group, check_health=False)
                    command, group = following, []
                group.append(other)
            await connection.send_command(command, *group, check_health=False)

    async def _receive(self, connection: Connection) -> None:
        reader = PushReader(connection)
        while True:
            await reader.wait()
            self._read_at = time.monotonic()
            for message in reader.messages():
                kind = message[0]
                if kind == b"message":
                    self._deliver(_generation(message[1]), message[2])
                elif kind == b"subscribe":
                    confirmed = self._wanted.get(message[1])
                    if confirmed is not None and not confirmed.done():
                        confirmed.set_result(None)
                    self._subscribed(_generation(message[1]))

    def _channel(self, generation_id: str) -> bytes:
        return self._broker.cells.of_generation(generation_id).key(keys.LIVE, generation_id).encode()


def _generation(channel: bytes) -> str:
    return channel.rpartition(b":")[2].decode()
