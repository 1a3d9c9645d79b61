"""
Which models the upstreams of the wildcard list: asked now and then, and told gateways through the broker.

Workers have the keys and the way to the servers; gateways need neither.
"""

import asyncio
from contextlib import suppress

import structlog

from shared.broker import Broker
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.failures import UpstreamError
from shared.listed import write
from worker.backends.redaction import for_log
from worker.upstreams import Upstream, Upstreams

logger = structlog.get_logger("worker.listing")

_EVERY_S = 60.0
_AGAIN_S = 5.0
_ANSWER_WITHIN_S = 10.0


class Listing:
    """`run` is its task."""

    def __init__(self, broker: Broker, upstreams: Upstreams) -> None:
        self._broker = broker
        self._upstreams = upstreams.wild

    async def run(self) -> None:
        """Ask and tell, for ever; what a server has listed stands while it cannot be asked."""
        while True:
            all_said = True
            for upstream in self._upstreams:
                all_said &= await self._ask(upstream)
            if self._upstreams:
                with suppress(BrokerUnavailable, BrokerRefused):
                    listed = {it.name: sorted(it.listed) for it in self._upstreams if it.listed is not None}
                    await write(self._broker, listed)
            await asyncio.sleep(_EVERY_S if all_said else _AGAIN_S)

    async def _ask(self, upstream: Upstream) -> bool:
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                upstream.listed = frozenset(await upstream.backend.models())
        except (UpstreamError, TimeoutError) as error:
            logger.warning(
                "an upstream does not list its models",
                upstream=upstream.name,
                at=for_log(upstream.model.base_url),
                error=for_log(str(error)) or type(error).__name__,
            )
            return False
        return True
