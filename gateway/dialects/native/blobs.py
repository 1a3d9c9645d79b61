"""Pictures and texts by the hash of their bytes, for messages to name: their owner's own."""

import msgspec
from aiohttp import web

from gateway.dialects.native.message import checked_type
from gateway.edge.answers import answer_json
from gateway.edge.body import read_any
from gateway.edge.ranges import asked_of
from gateway.edge.state import ASKER, STATE
from shared.blobs import TEXT
from shared.errors import NotFound

#: Nothing of it runs, whatever a browser takes it for; a shared cache never has it.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}


class Uploaded(msgspec.Struct, frozen=True):
    """`POST /api/blobs`: what a message's part names. Without one it is kept for an hour."""

    blob: str
    content_type: str
    size: int


async def upload(request: web.Request) -> web.StreamResponse:
    """Keep the body: a picture, or a text in UTF-8. What it is, its bytes say."""
    blobs = request.app[STATE].blobs
    data = await read_any(request, blobs.most_bytes)
    content_type = checked_type(data, blobs.most_bytes, None)
    blob = await blobs.put(request[ASKER].owner, data, content_type)
    return answer_json(Uploaded(blob.hash, blob.content_type, blob.size), status=201)


async def read(request: web.Request) -> web.StreamResponse:
    """The bytes of one of the asker's own."""
    return await answer(request, request[ASKER].owner, request.match_info["hash"])


async def answer(request: web.Request, owner: str, name: str) -> web.StreamResponse:
    """The blob *name* of *owner*, or a range of it; 304 where its reader has it."""
    kept = await request.app[STATE].blobs.get(owner, name)
    if kept is None:
        raise NotFound("There is no such blob, or it is kept no longer.", field="hash")
    etag = f'"{name}"'
    headers = {**_HEADERS, "ETag": etag}
    if request.if_none_match and name in {tag.value for tag in request.if_none_match}:
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
