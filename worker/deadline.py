"""
The time limits of one upstream request, on a single lazy timer: nothing is armed per delta.

A sign of life that is no delta holds off the limits on silence, up to a bound of its own.
"""

import asyncio
from collections.abc import Callable
from typing import Self

from shared.failures import GenerationFailed

Limit = tuple[float, GenerationFailed]


class Deadline:
    """
    Calls *expire* with the limit's error once the first delta, the next delta, or the end is overdue.

    Limits are in seconds. A context manager: its timer lives no longer than the block.
    """

    def __init__(
        self,
        expire: Callable[[GenerationFailed], None],
        *,
        first: Limit,
        between: Limit,
        total: Limit,
        silence_s: float = 0,
    ) -> None:
        """*silence_s* counts from the last delta: signs of life help no longer than that."""
        self._expire = expire
        self._silence_s = silence_s
        self._silence = first
        self._between = between
        self._total = total
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._touched = self._alive = self._loop.time()
        self._end = self._touched + max(0.0, self._total[0])
        self._arm()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def touch(self, now: float) -> None:
        """A delta came at loop time *now*."""
        self._touched = now
        if self._silence is not self._between:
            self._silence = self._between
            self._arm()

    def alive(self, now: float) -> None:
        """Something came at loop time *now* that is no delta: a comment, an empty chunk."""
        self._alive = now

    def _due(self) -> float:
        limit_s = self._silence[0]
        patient = min(self._alive + limit_s, self._touched + self._silence_s)
        return min(max(self._touched + limit_s, patient), self._end)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due(), self._check)

    def _check(self) -> None:
        now = self._loop.time()
        if now < self._due():
            self._arm()
        else:
            self._expire(self._total[1] if now >= self._end else self._silence[1])
