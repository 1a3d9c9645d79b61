"""Connections that no answer ends by itself, such as WebSockets: told to leave when their gateway stops."""

from collections.abc import Awaitable, Callable

from aiohttp import web

#: Brings one connection to its end; returns before that where it still has something to say.
Leave = Callable[[], Awaitable[None]]

LEAVERS: web.AppKey[set[Leave]] = web.AppKey("leavers", set)


async def tell(app: web.Application) -> None:
    """All of them, once nobody new is let in; who takes too long is cut off like any other request."""
    leaving = app[LEAVERS].copy()
    for leave in leaving:
        await leave()
