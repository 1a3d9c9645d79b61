"""Pictures and texts by the hash of their bytes, for messages to name: their owner's own."""

import msgspec
from aiohttp import web

from gateway.dialects.native.message import checked_type
from gateway.edge.answers import answer_json
from gateway.edge.body import read_any
from gateway.edge.kept import answer_blob
from gateway.edge.state import ASKER, STATE


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
    return await answer_blob(request, request[ASKER].owner, request.match_info["hash"])
