"""What a gateway has read from the broker and goes by for a moment, so that a change is known within it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

V = TypeVar("V")

#: How many are remembered, those of which there is nothing included.
_MOST = 10_000


class Remembered(Generic[V]):
    """
    Values by name, none older than *fresh_s*. Who asks for many at once has one read; what is asked for all
    the time is read again beforehand, so that no request waits for it.
    """

    def __init__(self, read: Callable[[str], Awaitable[V]], fresh_s: float) -> None:
        self._read = read
        self._fresh_s = fresh_s
        self._known: dict[str, tuple[float, V]] = {}
        self._reading: dict[str, asyncio.Task[V]] = {}

    async def get(self, name: str) -> V:
        """The value of *name*. Raises what reading it raises."""
        known = self._known.get(name)
        age_s = self._fresh_s if known is None else time.monotonic() - known[0]
        if age_s >= self._fresh_s / 2 and name not in self._reading:
            task = self._reading[name] = asyncio.create_task(self._look(name))
            task.add_done_callback(lambda task: self._done(name, task))
        if known is not None and age_s < self._fresh_s:
            return known[1]
        return await asyncio.shield(self._reading[name])

    async def get_anew(self, name: str) -> V:
        """The value of *name* as it is now. Raises what reading it raises."""
        return await self._look(name)

    def put(self, name: str, value: V) -> None:
        """Replace what is remembered of *name*, which is as old as before."""
        if name in self._known:
            self._known[name] = (self._known[name][0], value)

    def forget(self, name: str) -> None:
        """Whoever asks next has it read."""
        self._known.pop(name, None)

    async def close(self) -> None:
        """Returns once nothing is being read."""
        while self._reading:
            await asyncio.wait([*self._reading.values()])

    async def _look(self, name: str) -> V:
        # Counted from before: what changes while it is read may not be in it.
        at = time.monotonic()
        value = await self._read(name)
        if name in self._known and self._known[name][0] > at:
            return value  # what was read later is there already
        self._known.pop(name, None)
        while len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[name] = (at, value)
        return value

    def _done(self, name: str, task: "asyncio.Task[V]") -> None:
        self._reading.pop(name, None)
        if not task.cancelled():
            task.exception()  # whoever waits for it is told
