"""
The writer of one speech's sound: what it wrote is held until the speech has ended, and written again if
lost.
"""

import asyncio
from collections.abc import Callable

from shared.audio import AudioLog
from shared.errors import BrokerUnavailable
from worker.running import Fenced

_AGAIN_S = 0.3


class Keeper:
    """Of one attempt."""

    def __init__(self, log: AudioLog, generation_id: str, lease: str, missing: Callable[[], None]) -> None:
        """*missing* is called where the record is gone: whoever keeps the lease writes it again."""
        self._log, self._id, self._lease = log, generation_id, lease
        self._pieces: list[bytes] = []
        self._missing = missing

    async def keep(self, pieces: list[bytes]) -> int:
        """Returns the number of the first of *pieces* once all are there. Raises `Fenced`."""
        first = len(self._pieces) + 1
        self._pieces += pieces
        while True:
            try:
                if await self._add(first):
                    return first
            except BrokerUnavailable:
                pass
            await asyncio.sleep(_AGAIN_S)

    async def verify(self) -> bool:
        """Write again what the broker has lost; whether all is there. Raises as `keep` and `AudioLog`."""
        return not self._pieces or await self._add(len(self._pieces) + 1)

    async def _add(self, first: int) -> bool:
        kept = await self._log.add(self._id, self._lease, first, self._pieces[first - 1 :])
        if kept.status == "short":
            first = kept.pieces + 1
            kept = await self._log.add(self._id, self._lease, first, self._pieces[first - 1 :])
        if kept.status == "fenced":
            raise Fenced
        if kept.status == "missing":
            self._missing()
        return kept.status == "ok"
