"""Settles what has ended, now and then, for tenants that never meet a limit which would make them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from shared.errors import BrokerRefused, BrokerUnavailable

_EVERY_S = 1.0


class Settler:
    """Does it in tasks of its own, for a tenant at most once a second."""

    def __init__(self, settle: Callable[[str], Awaitable[object]]) -> None:
        self._settle = settle
        self._at: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def soon(self, tenant: str) -> None:
        """Settle *tenant*, unless that was done a moment ago."""
        now = time.monotonic()
        self._at = {name: at for name, at in self._at.items() if now - at < _EVERY_S}
        if tenant not in self._at:
            self._at[tenant] = now
            self.do(self._do(tenant))

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Do *work*, which raises nothing, and which nobody waits for but `finished`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, tenant: str) -> None:
        with suppress(BrokerUnavailable, BrokerRefused):  # there will be a next time
            await self._settle(tenant)

    async def finished(self) -> None:
        """Returns once nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)
