"""What a gateway looks up when it is scraped: how much waits, and how the broker is."""

import asyncio
from collections import Counter

from gateway.edge.state import State
from shared import metrics, queue
from shared.broker import Broker
from shared.cells import Cell
from shared.clock import BrokerClock
from shared.cluster import ONLY, Address
from shared.errors import BrokerRefused, BrokerUnavailable

_LOOKED_UP = (metrics.broker_memory, metrics.broker_memory_limit, metrics.broker_cells)


async def look(state: State) -> None:
    """Set the gauges of queues and broker; where the broker does not answer, say so and leave the rest."""
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_queues(state))
            both.create_task(_primaries(state.broker))
    except* (BrokerUnavailable, BrokerRefused):
        metrics.broker_answers.set(0)
    else:
        metrics.broker_answers.set(1)


async def _queues(state: State) -> None:
    found = await asyncio.gather(*(_depths(state, cell) for cell in state.broker.cells))
    for name, of_cells in zip(state.models.queues, zip(*found, strict=True), strict=True):
        metrics.queue_depth.labels(name).set(sum(waiting for waiting, _ in of_cells))
        metrics.queue_oldest_age.labels(name).set(max(age_s for _, age_s in of_cells))


async def _depths(state: State, cell: Cell) -> list[tuple[int, float]]:
    now = await BrokerClock(state.broker, cell).look()
    return [await queue.depth(state.broker, cell, name, now) for name in state.models.queues]


async def _primaries(broker: Broker) -> None:
    """Of each primary: its cells, and its memory where we may ask. One that is gone is not shown any more."""
    found = Counter(broker.home(cell) for cell in broker.cells)
    memory = await asyncio.gather(*(_memory(broker, cell) for cell in broker.one_of_each()))
    for gauge in _LOOKED_UP:
        gauge.clear()
    for home, cells in found.items():
        metrics.broker_cells.labels(_named(home)).set(cells)
    for home, used, most in memory:
        if used is not None:
            metrics.broker_memory.labels(_named(home)).set(used)
        if most:
            metrics.broker_memory_limit.labels(_named(home)).set(most)


async def _memory(broker: Broker, cell: Cell) -> tuple[Address, int | None, int | None]:
    home = broker.home(cell)
    # A user that may not ask this may do its work all the same.
    [info] = await broker.pipe("info", cell, [("INFO", "memory")], tolerates=lambda i, error: True)
    if not isinstance(info, dict):
        return home, None, None
    return home, info.get("used_memory"), info.get("maxmemory")


def _named(home: Address) -> str:
    return "only" if home == ONLY else f"{home[0]}:{home[1]}"
