"""
One process's way to Redis: a bounded pool for commands, the scripts, and connections of their own
for what blocks or subscribes. What may pass is `BrokerUnavailable`; what will not is `BrokerRefused`.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast

import msgspec
import structlog
from arq.connections import ArqRedis
from redis.asyncio import BlockingConnectionPool, Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ExecAbortError,
    MovedError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from shared import keys, layout, metrics, redis_private, steps
from shared.cells import Cell, Cells
from shared.cluster import ONLY, Address, Cluster, is_cluster
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.sentinel import Sentinels, is_sentinel
from shared.settings import Settings
from shared.sockets import TCP_OPTIONS
from shared.steps import Step

_T = TypeVar("_T")

#: Commands under way at once in one process; more wait for a connection.
_MAX_CONNECTIONS = 64
_CONNECT_TIMEOUT_S = 2.0
#: A command that takes longer has failed.
COMMAND_TIMEOUT_S = 5.0

#: What commands over a broken connection raise; uvloop says `RuntimeError` of one that is closed already.
BROKEN = (RedisError, OSError, RuntimeError)
#: Refusals that tell of the broker's state, not of the command: it is full, a replica, loading, failing over.
_PASSING = (
    AskError,
    ClusterDownError,
    ExecAbortError,
    MovedError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
#: The same where redis-py has no class for them, or Redis 6 wraps them in a script's error.
_PASSING_CODE = re.compile(
    r"\b(OOM|READONLY|LOADING|MOVED|ASK|TRYAGAIN|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|MISCONF|BUSY|UNBLOCKED)\b"
    # A script met a slot that just left, or that nobody serves for the moment.
    r"|attempted to access a (?:non local key|hash slot not served)"
)

_CONFIRM_AGAIN_S = 0.5
#: A cell moves once, and what is said of it may be late.
_MOST_MOVES = 3

logger = structlog.get_logger("shared.broker")

pack = msgspec.msgpack.encode
unpack = msgspec.msgpack.decode


class Broker:
    """Opens connections as they are needed; `close` ends them all."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.cells = Cells(settings.cells)
        url = settings.redis_url
        self._sentinels = Sentinels(url) if is_sentinel(url) else None
        reached = (*self.cells, *layout.FIRST_CELLS)
        self._cluster = Cluster(url, reached) if is_cluster(url) else None
        self._clients: dict[Address, ArqRedis] = {}
        self._confirmed = False
        self._scripts: dict[Step, AsyncScript] = {}

    @property
    def clustered(self) -> bool:
        """Whether there may be several primaries, between which cells move."""
        return self._cluster is not None

    def home(self, cell: Cell) -> Address:
        """The primary of *cell*, for who groups by it. Raises `BrokerUnavailable` while it is not known."""
        return ONLY if self._cluster is None else self._cluster.primary(cell)

    def one_of_each(self) -> list[Cell]:
        """A cell of each primary that is known; where none is, one all the same."""
        found: dict[Address, Cell] = {}
        for cell in self.cells:
            with suppress(BrokerUnavailable):
                found.setdefault(self.home(cell), cell)
        return list(found.values()) or [next(iter(self.cells))]

    def on_move(self, call: Callable[[], None]) -> None:
        """Call that whenever a cell has another primary."""
        if self._cluster is not None:
            self._cluster.on_move(call)

    def redirected(self, cell: Cell, error: Exception) -> None:
        """Follow *error* where it says that *cell* is elsewhere."""
        if self._cluster is not None and isinstance(error, MovedError):
            self._cluster.redirected(cell, error)

    async def look(self) -> None:
        """See at once where cells are. Raises `BrokerUnavailable`."""
        if self._cluster is not None:
            await self._cluster.known()
            await self._cluster.look()

    def at(self, cell: Cell) -> ArqRedis:
        """
        The client for what is in *cell*: arq's, with msgpack for job payloads, so that nothing read from the
        broker is ever unpickled. Raises `BrokerUnavailable`.
        """
        home = self.home(cell)
        client = self._clients.get(home)
        if client is None:
            pool = self._pool(_MAX_CONNECTIONS, home)
            client = self._clients[home] = ArqRedis(pool, job_serializer=pack, job_deserializer=unpack)
        return client

    @asynccontextmanager
    async def dedicated(self, cell: Cell) -> AsyncIterator[ArqRedis]:
        """A client with a connection of its own and no read time-out, for commands that block."""
        pool = self._pool(1, self.home(cell))
        try:
            yield ArqRedis(pool)
        finally:
            with suppress(*BROKEN):
                await pool.aclose()

    def connection(self, home: Address = ONLY) -> Connection:
        """
        A bare connection to the primary *home*, not yet connected, for who subscribes, or sends command
        after command.
        """
        pool = self._pool(1, home)
        return cast(Connection, pool.make_connection())  # type: ignore[no-untyped-call]

    async def run(self, step: Step, cell: Cell, args: Sequence[str | bytes | int]) -> Any:
        """One atomic step in *cell*, `lua/<step>.lua`. Raises as `watch` says."""
        where, script = [cell.key(keys.CLOCK)], self._script(step)
        async with self.watch(step):
            return await self._followed(cell, lambda client: script(keys=where, args=args, client=client))

    def step(
        self, step: Step, cell: Cell, args: Sequence[str | bytes | int], *, whole: bool = False
    ) -> tuple[Any, ...]:
        """The command that `run` sends; with the *whole* script for a broker that does not know it."""
        script = self._script(step)
        named = ("EVAL", script.script) if whole else ("EVALSHA", script.sha)
        return (*named, 1, cell.key(keys.CLOCK), *args)

    async def call(self, name: str, cell: Cell, *command: Any) -> Any:
        """One command about what is in *cell*, counted as *name*. Raises as `watch` says."""
        async with self.watch(name):
            return await self._followed(cell, lambda client: client.execute_command(*command))  # type: ignore[no-untyped-call]

    async def pipe(
        self,
        name: str,
        cell: Cell,
        commands: Sequence[Sequence[Any]],
        *,
        transaction: bool = False,
        tolerates: Callable[[int, Exception], bool] = lambda i, error: False,
    ) -> list[Any]:
        """
        Several commands in one round trip. Raises as `watch` says; an error in the place of an answer is
        given as it is where *tolerates*, called with the command's number, says so.
        """

        async def ask(client: ArqRedis) -> list[Any]:
            async with client.pipeline(transaction=transaction) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                answers: list[Any] = await pipe.execute(raise_on_error=False)
                for i, answer in enumerate(answers):
                    if isinstance(answer, Exception) and not tolerates(i, answer):
                        raise answer
                return answers

        async with self.watch(name):
            return await self._followed(cell, ask)

    @asynccontextmanager
    async def watch(self, command: str) -> AsyncIterator[None]:
        """
        Keep time of a round trip, and count it. Its failure becomes `BrokerUnavailable`, which may pass,
        or `BrokerRefused`: the broker is well and the command is wrong, so that asking again is of no use.
        """
        metrics.redis_round_trips.labels(command).inc()
        try:
            # Not redis-py's own time-out: it makes a task of every command, and on Python 3.11 that
            # loses a cancellation which comes at the wrong moment (asyncio.wait_for).
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                if not self._confirmed:
                    await self._confirm()
                yield
        except BROKEN as error:
            raise self.failure(command, error) from error

    def failure(self, command: str, error: Exception) -> BrokerUnavailable | BrokerRefused:
        """What *error* means for who sent *command*, as `watch` says, once it is counted."""
        metrics.redis_failures.labels(command).inc()
        if isinstance(error, ResponseError) and not _passes(error):
            logger.error("the broker refused a command", command=command, error=str(error))
            return BrokerRefused()
        return BrokerUnavailable(retry_after_s=1)

    async def confirm(self) -> None:
        """
        Returns once the broker is there, and its data in as many cells as is set; nothing is sent to it
        before. Raises `SettingsWrong`.
        """
        while not self._confirmed:
            try:
                async with self.watch("confirm"):
                    pass
            except (BrokerUnavailable, BrokerRefused):
                await asyncio.sleep(_CONFIRM_AGAIN_S)

    async def close(self) -> None:
        """Close every pooled connection."""
        for client in self._clients.values():
            await client.aclose()
            await client.connection_pool.aclose()
        if self._cluster is not None:
            await self._cluster.close()
        if self._sentinels is not None:
            await self._sentinels.close()

    async def _confirm(self) -> None:
        async def ask(cell: Cell) -> Sequence[bytes | None]:
            clock = "HMGET", cell.key(keys.CLOCK), *layout.FIELDS
            return await self._followed(cell, lambda client: client.execute_command(*clock))  # type: ignore[no-untyped-call]

        if self._cluster is not None:
            await self._cluster.known()
        # One of each primary first: one that hangs does not stop who starts meanwhile.
        cells = dict.fromkeys([*self.one_of_each(), *self.cells])
        await layout.confirm(cells, len(self.cells), ask, (*BROKEN, BrokerUnavailable))
        self._confirmed = True

    async def _followed(self, cell: Cell, ask: Callable[[ArqRedis], Awaitable[_T]]) -> _T:
        """*ask* the primary of *cell*; where that has just moved, nothing was done, and the next is asked."""
        if self._cluster is None:
            return await ask(self.at(cell))
        for _ in range(_MOST_MOVES):
            try:
                return await ask(self.at(cell))
            except MovedError as error:
                self._cluster.redirected(cell, error)
        return await ask(self.at(cell))

    def _pool(self, max_connections: int, home: Address) -> ConnectionPool:
        options: dict[str, Any] = {
            "max_connections": max_connections,
            "timeout": COMMAND_TIMEOUT_S,
            "socket_connect_timeout": _CONNECT_TIMEOUT_S,
            "retry": Retry(NoBackoff(), 1),
            "health_check_interval": 0,
        }
        if not self.settings.redis_url.startswith("unix:"):
            options |= {"socket_keepalive": True, "socket_keepalive_options": TCP_OPTIONS}
        pool: ConnectionPool
        if self._sentinels is not None:
            pool = self._sentinels.pool(**options)
        elif self._cluster is not None:
            pool = self._cluster.pool(home, **options)
        else:
            pool = BlockingConnectionPool.from_url(self.settings.redis_url, **options)
        pool.connection_class = redis_private.light(pool.connection_class)
        return pool

    def _script(self, step: Step) -> AsyncScript:
        script = self._scripts.get(step)
        if script is None:
            source = steps.source(step, self.settings, clustered=self.clustered)
            script = self._scripts[step] = AsyncScript(cast(Any, None), source)
        return script


def _passes(error: ResponseError) -> bool:
    return isinstance(error, _PASSING) or _PASSING_CODE.search(str(error)) is not None
