"""
The fast way into the logs, for a worker, which appends all the time: a connection of its own, whose commands
are written and answered in the socket's callbacks, without a task, a client or a time-out context each.

`EventLog.append` is the careful way, for everybody else; both run the same scripts.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.asyncio import Connection
from redis.exceptions import NoScriptError

from shared import metrics, redis_private
from shared.broker import BROKEN, COMMAND_TIMEOUT_S, Broker
from shared.cluster import Address
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.event_log import UNANSWERED, Appended, Batch, Part, answers_of, parts_of

#: Told what became of the batches of one append; or that the broker refuses one of them, for good.
Answered = Callable[[list[Appended] | BrokerRefused], None]


class AppendLine(asyncio.Protocol):
    """One connection to the broker, on which one append is under way at a time."""

    def __init__(self, broker: Broker, connection: Connection) -> None:
        """*connection* is connected, and nobody else's from now on."""
        self._broker = broker
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[None] = self._loop.create_future()
        #: What is under way, in the order in which it will be answered, and what has been answered of it.
        self._steps: deque[Part] = deque()
        self._answers: list[Appended] = []
        self._refusal: BrokerRefused | None = None
        self._answered: Answered | None = None
        self._overdue: asyncio.TimerHandle | None = None
        self._transport, self._replies = redis_private.take_over(connection, self)

    async def lost(self) -> None:
        """
        Wait for the connection's end, which any failure that may pass brings about: raises
        `BrokerUnavailable`. What was under way is not answered then, and may be repeated on another.
        """
        await self._lost

    def append(self, batches: Sequence[Batch], answered: Answered) -> None:
        """Write *batches* to their logs as `EventLog.append` says; nothing else may be under way."""
        metrics.redis_round_trips.labels("append").inc()
        self._answered = answered
        self._overdue = self._loop.call_later(COMMAND_TIMEOUT_S, self._fail, TimeoutError())
        self._steps.extend(parts_of(batches, self._broker.cells))
        self._answers, self._refusal = [UNANSWERED] * len(batches), None
        self._send(self._steps)

    def data_received(self, data: bytes) -> None:
        """The answers, or a part of them."""
        try:
            self._replies.feed(data)
            while (reply := self._replies.gets()) is not redis_private.NOT_ENOUGH_DATA:
                self._take(reply)
        except BROKEN as error:
            self._fail(error)

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing more will come."""
        self._fail(error or ConnectionError("the broker closed the connection"))

    def close(self) -> None:
        """Leave at once, whatever is under way."""
        self._forget()
        self._lost.cancel()
        redis_private.abort(self._connection)

    def _take(self, reply: Any) -> None:
        if not self._steps:
            raise ConnectionError("the broker answered what nobody asked")
        step = self._steps.popleft()
        if isinstance(reply, NoScriptError):
            # A broker that has restarted, or another one, learns the script and runs it in one step.
            self._steps.append(step)
            self._send([step], whole=True)
            return
        if isinstance(reply, Exception):
            failure = self._broker.failure("append", reply)
            self._broker.redirected(step.cell, reply)
            if isinstance(failure, BrokerUnavailable):
                self._end(failure)
                return
            self._refusal = failure
        else:
            for place, answer in zip(step.places, answers_of(reply), strict=True):
                self._answers[place] = answer
        if not self._steps and (answered := self._forget()):
            answered(self._refusal or self._answers)

    def _send(self, steps: Iterable[Part], *, whole: bool = False) -> None:
        commands = (self._broker.step(step.step, step.cell, step.args, whole=whole) for step in steps)
        try:
            packed = [part for command in commands for part in self._connection.pack_command(*command)]
            self._transport.write(b"".join(packed))
        except BROKEN as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """The connection has failed."""
        if not self._lost.done():
            self._broker.failure("append", error)
            self._end(BrokerUnavailable(retry_after_s=1))

    def _end(self, failure: BrokerUnavailable) -> None:
        self._forget()
        if not self._lost.done():
            self._lost.set_exception(failure)
            # Whoever waits may have been cancelled.
            self._lost.exception()

    def _forget(self) -> Answered | None:
        """Nothing is under way any more; gives who waited for it."""
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
        self._steps.clear()
        answered, self._answered = self._answered, None
        return answered


@asynccontextmanager
async def append_line(broker: Broker, home: Address) -> AsyncIterator[AppendLine]:
    """
    A line to a primary, for as long as the block lasts. Raises `BrokerUnavailable` where there can be
    none.
    """
    connection = broker.connection(home)
    try:
        async with broker.watch("connect"):
            await connection.connect()  # type: ignore[no-untyped-call]
        line = AppendLine(broker, connection)
        try:
            yield line
        finally:
            line.close()
    finally:
        with suppress(*BROKEN):
            await connection.disconnect(nowait=True)
