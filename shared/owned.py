"""Work that comes to its end though whoever waits for it leaves; how it failed is heard of all the same."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from shared.errors import BrokerUnavailable, HeadraceError, Internal

logger = structlog.get_logger("shared.owned")

_T = TypeVar("_T")


class OwnedWork:
    """What is under way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def surely(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What *work* gives or raises. Cancelled, its caller alone leaves."""
        task = self._begin(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_tell)
            raise

    async def for_a_moment(self, work: Coroutine[Any, Any, None], timeout_s: float) -> None:
        """Wait for *work*, but no longer than that. Raises what it raises until then."""
        try:
            async with asyncio.timeout(timeout_s) as limit:
                await self.surely(work)
        except TimeoutError:
            if not limit.expired():
                raise

    async def finished(self) -> None:
        """Returns once all of it is done."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self, work: Coroutine[Any, Any, _T]) -> "asyncio.Task[_T]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _tell(task: "asyncio.Task[Any]") -> None:
    """A refusal was for whoever has left; what went wrong on our side is for the operator."""
    error = None if task.cancelled() else task.exception()
    if error is None:
        return
    work = getattr(task.get_coro(), "__qualname__", "")
    if not isinstance(error, HeadraceError):
        logger.error("work that nobody waits for has failed", work=work, exc_info=error)
    elif isinstance(error, Internal | BrokerUnavailable):
        logger.warning("work that nobody waits for has failed", work=work, error=str(error))
