"""
Whether the broker would take what this process writes: asked by doing it once, not by a ping.

What is wrong is said in plain words to whoever asks, and in the broker's own in the log.
"""

import asyncio
import math
import re
from collections.abc import Awaitable, Callable

import structlog

from shared.broker import Broker
from shared.errors import BrokerRefused, BrokerUnavailable, Unavailable

logger = structlog.get_logger("shared.readiness")

#: An answer holds for as long; load balancers ask often, and several of them.
_HOLDS_S = 1.0
#: Found in an error's class or words: redis-py takes the code away where it has a class for it.
_WHY = {
    r"(?i)NOPERM|permission|ACL failure|the user executing the script can't|WRONGPASS|NOAUTH|authentic": (
        "the broker's user may not do all that is needed"
    ),
    r"READONLY|ReadOnly|read only": "the broker is read-only",
    r"OOM|OutOfMemory|maxmemory": "the broker is full",
    r"CLUSTER|CROSSSLOT|MOVED|non local key": "the broker is a Redis Cluster, which is not supported",
    r"LOADING|BusyLoading": "the broker is still loading its data",
    r"NOREPLICAS": "the broker has too few replicas",
    r"MISCONF": "the broker cannot write to its disk",
}


class Readiness:
    """`check` answers; with *hears*, only if that can also be done. *full_is_ready*: as for workers."""

    def __init__(
        self,
        broker: Broker,
        hears: Callable[[], Awaitable[None]] | None = None,
        *,
        full_is_ready: bool = False,
    ) -> None:
        self._broker = broker
        self._hears = hears
        self._pass = "1" if full_is_ready else ""
        self._asked_at = -math.inf
        self._lock = asyncio.Lock()
        self._why: str | None = None
        self._said: str | None = None

    async def check(self) -> None:
        """Raises `Unavailable` with the reason."""
        async with self._lock:
            if asyncio.get_running_loop().time() - self._asked_at >= _HOLDS_S:
                self._why = await self._wrong()
                self._asked_at = asyncio.get_running_loop().time()
        if self._why is not None:
            raise Unavailable(f"Not ready: {self._why}.", retry_after_s=1)

    async def _wrong(self) -> str | None:
        try:
            await self._broker.run("ready", [self._pass])
            if await self._is_cluster():
                return self._named("CLUSTER")
            if self._hears is not None:
                await self._hears()
        except (BrokerUnavailable, BrokerRefused) as error:
            cause = error.__cause__ or error
            refused = isinstance(error, BrokerRefused)
            return self._named(f"{type(cause).__name__}: {cause}", refused=refused)
        self._said = None
        return None

    async def _is_cluster(self) -> bool:
        """Its scripts may work by chance, as long as their keys happen to be on this node."""
        try:
            async with self._broker.watch("mode"):
                answer = await self._broker.redis.execute_command("HELLO")  # type: ignore[no-untyped-call]
        except BrokerRefused:
            return False
        return b"cluster" in answer if isinstance(answer, list) else answer.get(b"mode") == b"cluster"

    def _named(self, error: str, *, refused: bool = False) -> str:
        why = next((why for pattern, why in _WHY.items() if re.search(pattern, error)), None)
        why = why or ("the broker refuses what is needed" if refused else "the broker does not answer")
        if error != self._said:
            self._said = error
            logger.warning("not ready", why=why, error=error)
        return why
