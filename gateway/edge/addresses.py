"""Addresses as clients put them together: with slashes too many, or one at the end."""

import re

from aiohttp import web

_SLASHES = re.compile("//+")


def forgive(router: web.UrlDispatcher) -> None:
    """
    Where *router* has no route, let that of the address which was meant answer.

    Nobody is redirected: clients do not send a body again.
    """
    exactly = router.resolve

    async def resolve(request: web.Request) -> web.UrlMappingMatchInfo:
        found = await exactly(request)
        path = request.rel_url.raw_path
        meant = _SLASHES.sub("/", path).rstrip("/") or "/"
        if meant == path or found.http_exception is None or found.http_exception.status != 404:
            return found
        return await exactly(request.clone(rel_url=request.rel_url.with_path(meant, encoded=True)))

    router.resolve = resolve  # type: ignore[method-assign]
