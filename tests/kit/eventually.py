"""Waiting for a state instead of sleeping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

_LOOK_EVERY_S = 0.01


async def eventually(
    predicate: Callable[[], bool | Awaitable[bool]], why: str | Callable[[], Any], timeout_s: float = 5
) -> float:
    """Wait until *predicate* holds; gives the seconds that took. Fails with *why* when it never does."""
    began = time.monotonic()
    while True:
        holds = predicate()
        if inspect.isawaitable(holds):
            holds = await holds
        waited_s = time.monotonic() - began
        if holds:
            return waited_s
        if waited_s > timeout_s:
            raise AssertionError(f"not within {timeout_s} s: {why() if callable(why) else why}")
        await asyncio.sleep(_LOOK_EVERY_S)
