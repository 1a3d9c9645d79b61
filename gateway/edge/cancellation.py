"""Stop: one call for every dialect, answered with what became of the generation."""

import asyncio
from typing import Literal

import msgspec

from gateway.edge.state import State
from gateway.relay.ending import ENDING
from shared.events import Usage
from shared.generation import Generation
from shared.position import ORIGIN


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a cancel request; `cancelling`: its worker has not answered yet."""

    generation_id: str
    status: Literal["cancelled", "already_ended", "cancelling"]
    state: str
    position: str | None
    finish_reason: str | None
    usage: Usage | None


async def stop(state: State, generation: Generation) -> Receipt:
    """Cancel *generation* for its owner, and wait for what becomes of it."""
    outcome: Literal["cancelled", "already_ended", "cancelling"] = "already_ended"
    if not generation.ended:
        after = await state.log.top(generation.id)
        async with state.relay.subscribe(generation, ENDING, after or ORIGIN) as subscriber:
            answer = await state.generations.cancel(generation.id, generation.owner, "user")
            if answer == "pushed":
                try:
                    async with asyncio.timeout(state.settings.cancel_wait_s):
                        await subscriber.read()
                except TimeoutError:
                    outcome = "cancelling"
        generation = await state.generations.load(generation.id) or generation
        if generation.state == "cancelled":
            outcome = "cancelled"
    return Receipt(
        generation_id=generation.id,
        status=outcome,
        state=generation.state,
        position=generation.position,
        finish_reason=generation.finish_reason,
        usage=generation.spent,
    )
