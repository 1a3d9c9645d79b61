"""Connections that no answer ends by itself, such as WebSockets: told to leave when their gateway stops."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

#: Brings one connection to its end; returns before that where it still has something to say.
Leave = Callable[[], Coroutine[Any, Any, None]]

LEAVERS: web.AppKey[set[Leave]] = web.AppKey("leavers", set)
#: How long one that reads nothing may take to hear it.
_PATIENCE_S = 1.0


@contextmanager
def told_to_leave(app: web.Application, leave: Leave) -> Iterator[None]:
    """For as long as the block lasts *leave* is called when the gateway stops."""
    app[LEAVERS].add(leave)
    try:
        yield
    finally:
        app[LEAVERS].discard(leave)


async def tell(app: web.Application) -> None:
    """
    All of them at once, when nobody new is let in; who takes too long is cut off like any other request.
    Raises what went wrong with one of them, after all have been told.
    """
    telling = [asyncio.create_task(leave()) for leave in app[LEAVERS]]
    if not telling:
        return
    done, late = await asyncio.wait(telling, timeout=_PATIENCE_S)
    for task in late:
        task.cancel()
    for task in done:
        task.result()
