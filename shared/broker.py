"""
One process's way to Redis: a bounded pool for commands, the scripts, and connections of their own
for what blocks or subscribes. What may pass is `BrokerUnavailable`; what will not is `BrokerRefused`.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
import structlog
from arq.connections import ArqRedis
from redis.asyncio import BlockingConnectionPool, Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import (
    ExecAbortError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from shared import keys, metrics, redis_private
from shared.cells import Cell, Cells
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.sentinel import Sentinels, is_sentinel
from shared.settings import Settings
from shared.sockets import TCP_OPTIONS

Step = Literal[
    "create",
    "append",
    "claim",
    "clock",
    "ready",
    "renew",
    "release",
    "restore",
    "cancel",
    "close",
    "change",
    "remove",
    "admit",
    "settle",
    "hold",
    "room_open",
    "room_say",
    "room_begin",
    "room_meet",
    "told",
    "undo",
    "branch",
    "note",
]

_LUA = Path(__file__).parent / "lua"

#: Generations that may wait for their turn in one conversation.
_MAX_WAITING = 20
#: Branches of one conversation that are kept beside the one that is shown.
_MAX_BRANCHES = 50
#: What was deleted can be brought back for this long: the page offers it for ten seconds.
_UNDO_MS = 15_000
#: Commands under way at once in one process; more wait for a connection.
_MAX_CONNECTIONS = 64
_CONNECT_TIMEOUT_S = 2.0
#: A command that takes longer has failed.
COMMAND_TIMEOUT_S = 5.0

#: What commands over a broken connection raise; uvloop says `RuntimeError` of one that is closed already.
BROKEN = (RedisError, OSError, RuntimeError)
#: Refusals that tell of the broker's state, not of the command: it is full, a replica, loading, failing over.
_PASSING = (ExecAbortError, NoScriptError, OutOfMemoryError, ReadOnlyError)
#: The same where redis-py has no class for them, or Redis 6 wraps them in a script's error.
_PASSING_CODE = re.compile(
    r"\b(OOM|READONLY|LOADING|TRYAGAIN|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|MISCONF|BUSY|UNBLOCKED)\b"
)

logger = structlog.get_logger("shared.broker")

pack = msgspec.msgpack.encode
unpack = msgspec.msgpack.decode


class Broker:
    """Opens connections as they are needed; `close` ends them all."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.cells = Cells(1)
        self._sentinels = Sentinels(settings.redis_url) if is_sentinel(settings.redis_url) else None
        #: arq's client, with msgpack for job payloads: nothing read from Redis is ever unpickled.
        self._redis = ArqRedis(self._pool(_MAX_CONNECTIONS), job_serializer=pack, job_deserializer=unpack)
        self._scripts: dict[Step, AsyncScript] = {}

    def at(self, cell: Cell) -> ArqRedis:
        """The client for what is in *cell*."""
        return self._redis

    @asynccontextmanager
    async def dedicated(self, cell: Cell) -> AsyncIterator[ArqRedis]:
        """A client with a connection of its own and no read time-out, for commands that block."""
        pool = self._pool(1)
        try:
            yield ArqRedis(pool)
        finally:
            with suppress(*BROKEN):
                await pool.aclose()

    def connection(self) -> Connection:
        """A bare connection, not yet connected, for who subscribes, or sends command after command."""
        return cast(Connection, self._pool(1).make_connection())  # type: ignore[no-untyped-call]

    async def run(self, step: Step, cell: Cell, args: Sequence[str | bytes | int]) -> Any:
        """One atomic step in *cell*, `lua/<step>.lua`. Raises as `watch` says."""
        async with self.watch(step):
            script = self._script(step)
            return await script(keys=[cell.key(keys.CLOCK)], args=args, client=self.at(cell))

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
            return await self.at(cell).execute_command(*command)  # type: ignore[no-untyped-call]

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
        async with self.watch(name), self.at(cell).pipeline(transaction=transaction) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            answers: list[Any] = await pipe.execute(raise_on_error=False)
            for i, answer in enumerate(answers):
                if isinstance(answer, Exception) and not tolerates(i, answer):
                    raise answer
            return answers

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

    async def close(self) -> None:
        """Close every pooled connection."""
        await self._redis.aclose()
        await self._redis.connection_pool.aclose()
        if self._sentinels is not None:
            await self._sentinels.close()

    def _pool(self, max_connections: int) -> ConnectionPool:
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
        else:
            pool = BlockingConnectionPool.from_url(self.settings.redis_url, **options)
        pool.connection_class = redis_private.light(pool.connection_class)
        return pool

    def _script(self, step: Step) -> AsyncScript:
        script = self._scripts.get(step)
        if script is None:
            script = self._scripts[step] = self._redis.register_script(self._source(step))
        return script

    def _source(self, step: Step) -> str:
        s = self.settings
        limits = {
            "WAKE_CAP": keys.WAKE_CAP,
            "MAX_WAITING": _MAX_WAITING,
            "MAX_BRANCHES": _MAX_BRANCHES,
            "UNDO_MS": _UNDO_MS,
            "MAX_ATTEMPTS": s.max_attempts,
            "GENERATION_TTL_MS": s.generation_ttl_s * 1000,
            "RECORD_TTL_MS": s.record_retention_s * 1000,
            "LOG_TTL_MS": s.log_retention_s * 1000,
            "CONVERSATION_TTL_MS": s.conversation_ttl_s * 1000,
            "MAX_CONVERSATION_BYTES": s.max_conversation_bytes,
            "MAX_MESSAGES": s.max_conversation_messages,
            "MAX_CONVERSATIONS": s.max_conversations,
            "MOST_UNSEEN_MS": max(1, int(s.lease_s * 500)),
            "PUBLISH": "'PUBLISH'",
            "NUMSUB": "'NUMSUB'",
        }
        head = keys.lua(celled=len(self.cells) > 1)
        head += "".join(f"local {name} = {value}\n" for name, value in limits.items())
        return head + (_LUA / "_steps.lua").read_text() + (_LUA / f"{step}.lua").read_text()


def _passes(error: ResponseError) -> bool:
    return isinstance(error, _PASSING) or _PASSING_CODE.search(str(error)) is not None
