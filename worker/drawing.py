"""The pictures of an answer: their bytes go to the blobs, what the log gets says which they are."""

import asyncio

from shared import metrics
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.events import Picture, now_ms
from shared.generation import Generation
from shared.parts import Lost, Part
from worker.backends.pictures import NewPicture
from worker.state import Tools

_BROKER_RETRY_S = 0.5


async def stored(tools: Tools, generation: Generation, picture: NewPicture) -> Picture:
    """*picture*, kept as long as its conversation, or where there is none as long as the record."""
    part = await _kept(tools, generation, picture)
    metrics.pictures.labels(part.lost or "kept").inc()
    return Picture(ts=now_ms(), part=part)


async def _kept(tools: Tools, generation: Generation, picture: NewPicture) -> Part:
    if picture.lost is not None:
        return _lost(picture.lost)
    if len(picture.data) > tools.blobs.most_bytes:
        return _lost("too_large")
    holder, for_ms = generation.conversation, None
    if holder is None:
        holder, for_ms = generation.id, tools.settings.record_retention_s * 1000
    while True:
        try:
            blob = await tools.blobs.put(generation.owner, picture.data, picture.content_type, holder, for_ms)
        except BrokerUnavailable:
            await asyncio.sleep(_BROKER_RETRY_S)
        except BrokerRefused:
            return _lost("not_kept")
        else:
            return Part(type="image", blob=blob.hash, content_type=blob.content_type, size=blob.size)


def _lost(why: Lost) -> Part:
    return Part(type="image", lost=why)
