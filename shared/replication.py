"""What only counts once replicas have it, for brokers that may fail over: see `HEADRACE_MIN_REPLICAS`."""

import structlog

from shared import keys, metrics
from shared.broker import Broker

logger = structlog.get_logger("shared.replication")


async def replicated(broker: Broker, generation_id: str) -> str | None:
    """
    Wait until enough replicas have all that was written so far, and give the generation's state.

    The state is None when a failover has lost the record. Too few replicas hold nothing up for longer
    than `replication_timeout_s`: an answer that is less safe beats none. Raises `BrokerUnavailable`.
    """
    settings = broker.settings
    timeout_ms = int(settings.replication_timeout_s * 1000)
    cell = broker.cells.of_generation(generation_id)
    _, replicas, state = await broker.pipe(
        "wait",
        cell,
        [
            # WAIT speaks of what its own connection has written: this comes after everything. A cluster's
            # replicas are not told of what is published, but of a key that lives on.
            ("PEXPIRE", cell.key(keys.CLOCK), settings.conversation_ttl_s * 1000),
            ("WAIT", settings.min_replicas, timeout_ms),
            # Over the same connection: that is, from the primary that has just waited.
            ("HGET", cell.key(keys.RECORD, generation_id), "state"),
        ],
    )
    if replicas < settings.min_replicas:
        metrics.unreplicated.inc()
        logger.warning("too few replicas", generation=generation_id, replicas=replicas)
    return state.decode() if state is not None else None
