"""Pictures and files as an answer: whole or in part, for their reader alone, and nothing of them runs."""

from aiohttp import web

from gateway.edge.answers import has_it
from gateway.edge.ranges import asked_of
from gateway.edge.state import STATE
from shared.blobs import TEXT
from shared.conversations import Whole
from shared.errors import NotFound

#: Nothing of it runs, whatever a browser takes it for; a shared cache never has it.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}


async def answer_shown(request: web.Request, owner: str, whole: Whole) -> web.StreamResponse:
    """The blob of the path's `hash`, where that conversation shows it, or its reply on its way; else 404."""
    name = request.match_info["hash"]
    said = f'"blob":"{name}"'.encode()
    if not says(whole, said) and not await _draws(request, whole, said):
        raise NotFound("There is no such blob.", field="hash")
    return await answer_blob(request, owner, name)


def says(whole: Whole, said: bytes) -> bool:
    """Whether a message has that field of that value: quotes that somebody wrote are escaped."""
    return any(said in bytes(message) for message in whole.messages)


async def _draws(request: web.Request, whole: Whole, said: bytes) -> bool:
    """Whether the reply on its way has that picture."""
    active = whole.version.headline.active
    if active is not None:
        async for page in request.app[STATE].log.pages(active):
            if any(said in entry.event for entry in page):
                return True
    return False


async def answer_blob(request: web.Request, owner: str, name: str) -> web.StreamResponse:
    """The blob *name* of *owner*, or a range of it; 304 where its reader has it."""
    kept = await request.app[STATE].blobs.get(owner, name)
    if kept is None:
        raise NotFound("There is no such blob, or it is kept no longer.", field="hash")
    etag = f'"{name}"'
    headers = {**_HEADERS, "ETag": etag}
    if has_it(request, name):
        return web.Response(status=304, headers=headers)
    content_type, data = kept
    is_text = content_type == TEXT
    headers["Content-Disposition"] = "attachment; filename=file.txt" if is_text else "inline"
    headers["Accept-Ranges"] = "bytes"
    asked = asked_of(request, etag)
    span = asked.within(len(data)) if asked else None
    if span is not None:
        headers["Content-Range"] = span.of(len(data))
        data = span.cut(data)
    return web.Response(
        status=200 if span is None else 206,
        body=data,
        headers=headers,
        content_type=content_type,
        charset="utf-8" if is_text else None,
    )
