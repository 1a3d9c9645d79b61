"""Who can speak, as workers say: asked now and then, so that whoever installs it need restart no gateway."""

import asyncio
from contextlib import suppress

from shared.able import read_able
from shared.broker import Broker
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.speech import Able

_FRESH_S = 2.0
#: The same of nobody: whoever starts all at once asks for speech before its worker has said that it speaks.
_NOBODY_FRESH_S = 0.2


class Speakers:
    """What can be spoken; while the broker is away, what could be before."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._able: Able | None = None
        self._read_at = -_FRESH_S

    async def able(self) -> Able | None:
        """What workers can speak; None where nobody speaks."""
        now = asyncio.get_running_loop().time()
        if now - self._read_at >= (_NOBODY_FRESH_S if self._able is None else _FRESH_S):
            self._read_at = now
            with suppress(BrokerUnavailable, BrokerRefused):
                self._able = await read_able(self._broker)
        return self._able
