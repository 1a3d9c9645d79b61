"""The three time limits of one upstream request, on a single lazy timer: nothing is armed per delta."""

import asyncio
from collections.abc import Callable
from typing import Self

from shared.errors import GenerationFailed

Limit = tuple[float, GenerationFailed]


class Deadline:
    """
    Calls *expire* with the limit's error once the first delta, the next delta, or the end is overdue.

    Limits are in seconds. A context manager: its timer lives no longer than the block.
    """

    def __init__(
        self, expire: Callable[[GenerationFailed], None], *, first: Limit, between: Limit, total: Limit
    ) -> None:
        self._expire = expire
        self._silence = first
        self._between = between
        self._total = total
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._touched = self._loop.time()
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

    def _due(self) -> float:
        return min(self._touched + self._silence[0], self._end)

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
