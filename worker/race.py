"""Hedging: two requests for one answer. Whoever speaks first goes on alone; the other is closed, unheard."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from worker.asking import Asking
from worker.upstreams import Hold

Start = Callable[[Hold], Coroutine[Any, Any, None]]


class Race:
    """Of one request, or of two where the first is silent for *after_s*."""

    def __init__(self, after_s: float | None) -> None:
        self._after_s = after_s
        self._spoken = asyncio.Event()
        self.winner: Asking | None = None
        self.askings: list[Asking] = []

    def begins(self, asking: Asking) -> bool:
        """*asking* has its first delta: whether it is the answer."""
        if self.winner is None:
            self.winner = asking
            self._spoken.set()
        return self.winner is asking

    def over(self) -> None:
        """Forget who was asked: they refer back to it."""
        for asking in self.askings:
            asking.task = None
        self.winner = None
        self.askings.clear()

    async def run(self, first: Hold, second: Callable[[], Hold | None], start: Start) -> None:
        """Until the answer's end. Raises the error of the one that spoke, or else of the last to fail."""
        if self._after_s is None:
            await start(first)
            return
        tasks = [asyncio.create_task(start(first))]
        try:
            await self._first_of(tasks, self._after_s)
            if not (self._spoken.is_set() or tasks[0].done()) and (other := second()) is not None:
                tasks.append(asyncio.create_task(start(other)))
            while not self._spoken.is_set() and not all(task.done() for task in tasks):
                await self._first_of([task for task in tasks if not task.done()], None)
            for task in tasks:
                if self.winner is not None and task is not self.winner.task:
                    task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task, result in zip(tasks[::-1], results[::-1], strict=True):
            if isinstance(result, BaseException) and (self.winner is None or task is self.winner.task):
                raise result

    async def _first_of(self, tasks: list["asyncio.Task[None]"], within_s: float | None) -> None:
        spoken = asyncio.create_task(self._said())
        try:
            await asyncio.wait([*tasks, spoken], timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            spoken.cancel()

    async def _said(self) -> None:
        await self._spoken.wait()
