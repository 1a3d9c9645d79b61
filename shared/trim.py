"""
The bound on an owner's conversations, over all cells. Within one the step that makes a conversation has
seen to it already; over several it takes a look at all of them.
"""

import asyncio
from itertools import chain

from shared import keys
from shared.broker import Broker
from shared.cells import Cell
from shared.place import Place, scored

#: What is new waits for it no longer; what a cell that is away keeps from it is seen to with the next.
TRIM_WITHIN_S = 0.25
#: Conversations being answered that are passed over.
_ACTIVE = 64


async def trim(broker: Broker, owner: str, new: str) -> None:
    """
    Make room for *new*, the one that was just made: delete those used less recently than it, beyond the most
    that *owner* may have. What is being answered stays; so does what is new, though its reply may have ended
    meanwhile.
    """
    counts = await asyncio.gather(
        *(broker.call("trim", cell, "ZCARD", cell.key(keys.CONVERSATIONS, owner)) for cell in broker.cells)
    )
    excess = sum(counts) - broker.settings.max_conversations
    if excess <= 0:
        return
    most = excess + _ACTIVE
    oldest = await asyncio.gather(*(_oldest(broker, cell, owner, most) for cell in broker.cells))
    for place, cell in sorted(chain.from_iterable(oldest), key=lambda found: found[0]):
        if excess <= 0 or place.id == new:
            break
        excess -= await broker.run("trim", cell, [owner, place.id])


async def _oldest(broker: Broker, cell: Cell, owner: str, count: int) -> list[tuple[Place, Cell]]:
    key = cell.key(keys.CONVERSATIONS, owner)
    listed = await broker.call("trim", cell, "ZRANGE", key, 0, count - 1, "WITHSCORES")
    return [(place, cell) for place in scored(listed)]
