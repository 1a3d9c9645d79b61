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
from shared.cells import Cell
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
    r"(?i)CLUSTERDOWN|cluster is down|hash slot not served": (
        "the broker's cluster is down: too few of its primaries are left, or a slot is nobody's"
    ),
    r"cluster support disabled": "the broker is no cluster: HEADRACE_REDIS_URL should begin with redis://",
    r"CLUSTER|CROSSSLOT|MOVED|non local key": (
        "the broker is a cluster: HEADRACE_REDIS_URL should begin with redis+cluster://"
    ),
    r"LOADING|BusyLoading": "the broker is still loading its data",
    r"NOREPLICAS": "the broker has too few replicas",
    r"MISCONF": "the broker cannot write to its disk",
    r"(?i)certificate|\bSSL|\btls": "the broker's TLS certificate, or ours, is not accepted",
}


class Readiness:
    """`check` answers; with *hears*, only if that can also be done. *full_is_ready*: as for workers."""

    def __init__(
        self,
        broker: Broker,
        hears: Callable[[Cell], Awaitable[None]] | None = None,
        *,
        full_is_ready: bool = False,
    ) -> None:
        self._broker = broker
        self._hears = hears
        self._pass = "1" if full_is_ready else ""
        self._asked_at = -math.inf
        self._asking: asyncio.Task[None] | None = None
        self._cluster: bool | None = None
        self._why: str | None = None
        self._said: str | None = None

    async def check(self) -> None:
        """Raises `Unavailable` with the reason."""
        if asyncio.get_running_loop().time() - self._asked_at >= _HOLDS_S:
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask())
            # A prober that gives up early must not keep the answer from all who come after it.
            await asyncio.shield(self._asking)
        if self._why is not None:
            raise Unavailable(f"Not ready: {self._why}.", retry_after_s=1)

    async def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _ask(self) -> None:
        try:
            self._why = await self._wrong()
            self._asked_at = asyncio.get_running_loop().time()
        finally:
            self._asking = None

    async def _wrong(self) -> str | None:
        """Why no primary would take anything. One that is away pauses what is there, and nothing else."""
        trying = [asyncio.create_task(self._wrong_in(cell)) for cell in self._broker.one_of_each()]
        try:
            whys = []
            for tried in asyncio.as_completed(trying):
                if (why := await tried) is None:
                    self._said = None
                    return None
                whys.append(why)
            # One that hangs does not say what the others do.
            return self._named(*next((why for why in whys if _reason(why[0]) is not None), whys[0]))
        finally:
            for task in trying:
                task.cancel()
            await asyncio.gather(*trying, return_exceptions=True)

    async def _wrong_in(self, cell: Cell) -> tuple[str, bool] | None:
        """The error that a primary gives, and whether it refuses."""
        try:
            # Side by side: a far broker's answer takes a while, and probers wait for a second.
            results = await asyncio.gather(
                self._broker.run("ready", cell, [self._pass]),
                self._is_cluster(cell),
                self._hears(cell) if self._hears is not None else asyncio.sleep(0),
                return_exceptions=True,
            )
            for result in results:
                if isinstance(result, BaseException):
                    raise result
            return ("CLUSTER", False) if results[1] else None
        except (BrokerUnavailable, BrokerRefused) as error:
            cause = error.__cause__ or error
            return f"{type(cause).__name__}: {cause}", isinstance(error, BrokerRefused)

    async def _is_cluster(self, cell: Cell) -> bool:
        """
        Whether it is one though it was not said to be: scripts may work by chance, as long as their keys
        happen to be on this node.
        """
        if self._broker.clustered:
            return False
        if self._cluster is not None:
            return self._cluster
        try:
            answer = await self._broker.call("mode", cell, "HELLO")
        except BrokerRefused:
            return False
        self._cluster = (
            b"cluster" in answer if isinstance(answer, list) else answer.get(b"mode") == b"cluster"
        )
        return self._cluster

    def _named(self, error: str, refused: bool) -> str:
        why = _reason(error) or (
            "the broker refuses what is needed" if refused else "the broker does not answer"
        )
        if error != self._said:
            self._said = error
            logger.warning("not ready", why=why, error=error)
        return why


def _reason(error: str) -> str | None:
    """What *error*, its class and its words, means to whoever asks."""
    return next((why for pattern, why in _WHY.items() if re.search(pattern, error)), None)
