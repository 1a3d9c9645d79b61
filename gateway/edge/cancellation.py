"""Stop: one call for every dialect, answered with what became of the generation."""

import asyncio
from contextlib import suppress
from typing import Literal

import msgspec

from gateway.edge.state import State
from gateway.relay.ending import ENDING
from shared.errors import BrokerRefused
from shared.events import Usage
from shared.generation import Generation
from shared.position import ORIGIN

Outcome = Literal["cancelled", "already_ended", "cancelling"]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a cancel request; `cancelling`: its worker has not answered yet."""

    generation_id: str
    status: Outcome
    state: str
    position: str | None
    finish_reason: str | None
    usage: Usage | None


async def stop(state: State, generation: Generation) -> Receipt:
    """Cancel *generation* for its owner, with what speaks it, and wait for what becomes of it."""
    was_ended = generation.ended
    for speech_id in generation.spoken_by.split():
        # Of a list that was cut at its beginning the first may be no id.
        with suppress(BrokerRefused):
            await state.generations.cancel(speech_id, generation.owner, "user")
    if not was_ended:
        after = None
        with suppress(BrokerRefused):  # a log that cannot be read is no reason not to stop
            after = await state.log.top(generation.id)
        async with state.relay.subscribe(generation, ENDING, after or ORIGIN) as subscriber:
            if await state.generations.cancel(generation.id, generation.owner, "user") == "pushed":
                with suppress(TimeoutError, BrokerRefused):
                    async with asyncio.timeout(state.settings.cancel_wait_s):
                        await subscriber.end()
        generation = await state.generations.load(generation.id) or generation
    return Receipt(
        generation_id=generation.id,
        status=_outcome(generation, was_ended),
        state=generation.state,
        position=generation.position,
        finish_reason=generation.finish_reason,
        usage=generation.spent,
    )


def _outcome(generation: Generation, was_ended: bool) -> Outcome:
    if not generation.ended:
        return "cancelling"
    return "cancelled" if generation.state == "cancelled" and not was_ended else "already_ended"
