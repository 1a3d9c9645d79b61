"""
Places for open streams, where an asker may have only so many at all gateways together. A place is held by a
lease, which its gateway renews, so that one that dies takes none with it.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from gateway.edge.state import ASKER, STATE, State
from shared import metrics
from shared.asker import Asker
from shared.errors import BrokerRefused, BrokerUnavailable, RateLimited
from shared.ledger import Refusal
from shared.limits import Level

_RENEW_EVERY_S = 10.0


@asynccontextmanager
async def place_for_stream(request: web.Request, *, taken: bool = True) -> AsyncIterator[str | None]:
    """
    Hold a place while this is entered, if there is a limit: gives its id. Where it is not *taken*, `accept`
    takes it. Raises `RateLimited`.
    """
    state, asker = request.app[STATE], request[ASKER]
    limited = [level for level in asker.levels if level.limits.max_streams is not None]
    if not limited or request.method == "HEAD":
        yield None
        return
    stream_id = uuid.uuid4().hex
    if taken and (full := await state.ledger.hold(asker.tenant, limited, stream_id, "open")):
        metrics.limited.labels("streams").inc()
        state.audit.exceeded(asker, Refusal(full, "streams", 1000))
        raise RateLimited(
            "You have as many streams open as you may.", retry_after_s=2, detail={"limit": "streams"}
        )
    renewing = asyncio.create_task(_renew(state, asker, limited, stream_id))
    try:
        yield stream_id
    finally:
        renewing.cancel()
        state.settler.do(_close(state, asker, limited, stream_id))


async def _renew(state: State, asker: Asker, levels: Sequence[Level], stream_id: str) -> None:
    while True:
        await asyncio.sleep(_RENEW_EVERY_S)
        with suppress(BrokerUnavailable, BrokerRefused):
            await state.ledger.hold(asker.tenant, levels, stream_id, "keep")


async def _close(state: State, asker: Asker, levels: Sequence[Level], stream_id: str) -> None:
    with suppress(BrokerUnavailable, BrokerRefused):
        await state.ledger.hold(asker.tenant, levels, stream_id, "close")
