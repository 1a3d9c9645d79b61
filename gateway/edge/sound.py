"""Sound, fetched piece by piece when a reader has room for it."""

import asyncio
import base64
from collections.abc import AsyncIterator

from shared.audio import AudioLog
from shared.errors import BrokerUnavailable, Gone

#: How long a piece may be away that its log tells of: a broker that has lost it gets it back from the worker.
_AWAY_S = 15.0
_AGAIN_S = 0.1


async def piece(audio: AudioLog, generation_id: str, place: str) -> bytes:
    """A piece that the log tells of. Raises `Gone` where it has expired."""
    gone_at = asyncio.get_running_loop().time() + _AWAY_S
    while True:
        try:
            found = await audio.piece(generation_id, place)
        except BrokerUnavailable:
            found, gone_at = None, gone_at + _AGAIN_S
        if found is not None:
            return found
        if asyncio.get_running_loop().time() > gone_at:
            raise Gone("The sound of this speech has expired.")
        await asyncio.sleep(_AGAIN_S)


async def filled(audio: AudioLog, generation_id: str, frames: bytes) -> AsyncIterator[bytes]:
    """*frames* with sound, in base64, for each place between two null bytes."""
    for i, part in enumerate(frames.split(b"\0")):
        yield part if not i % 2 else base64.b64encode(await piece(audio, generation_id, part.decode()))
