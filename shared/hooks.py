"""
The outbox of ends that are to be told to somebody outside: written by the step that ends a generation, and
let go once its receiver has said that it heard. Each is told at least once.
"""

from typing import NamedTuple

from shared.broker import Broker
from shared.errors import BrokerUnavailable

#: The longest wait between two tries.
_LONGEST_WAIT_MS = 3_600_000


class Due(NamedTuple):
    """A generation whose end is to be told now."""

    generation_id: str
    #: How often it was tried, this time included.
    tries: int


class Hooks:
    """All ends behind one broker that are still to be told."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def take(self, wait_s: float) -> Due | None:
        """
        One that is due, or None. If nobody says that it was told it is due again: after *wait_s*, then twice
        that, …, until its record has expired.
        """
        failed: BrokerUnavailable | None = None
        for cell in self._broker.cells:
            try:
                answer = await self._broker.run("told", cell, ["take", int(wait_s * 1000), _LONGEST_WAIT_MS])
            except BrokerUnavailable as error:
                # It holds up nobody elsewhere.
                failed = error
                continue
            if answer is not None:
                return Due(answer[0].decode(), answer[1])
        if failed is not None:
            raise failed
        return None

    async def told(self, generation_id: str) -> None:
        """Its receiver has heard of it."""
        await self._broker.run(
            "told", self._broker.cells.of_generation(generation_id), ["told", generation_id]
        )
