"""
What a gateway looks up when it is scraped: how much waits, and how the broker is. A primary that does not
answer holds up no scrape for longer than a moment, and is named.
"""

import asyncio
from contextlib import suppress
from typing import Any

from gateway.edge.state import State
from shared import metrics, queue
from shared.broker import Broker
from shared.cells import Cell
from shared.clock import BrokerClock
from shared.cluster import named
from shared.errors import BrokerRefused, BrokerUnavailable

#: `headrace top` and Prometheus wait longer.
_WITHIN_S = 1.0
_LOOKED_UP = (
    *(metrics.broker_answers, metrics.broker_memory, metrics.broker_memory_limit),
    metrics.broker_cells,
)
#: Of a cluster of which no node has said where anything is.
_UNKNOWN = "unknown"
_AWAY = (BrokerUnavailable, BrokerRefused, TimeoutError)


async def look(state: State) -> None:
    """Set the gauges of queues and broker; of queues, what the cells of those primaries hold that answer."""
    answering = await _primaries(state.broker)
    if answering:
        with suppress(*_AWAY):
            async with asyncio.timeout(_WITHIN_S):
                await _queues(state, answering)


async def _queues(state: State, cells: list[Cell]) -> None:
    found = await asyncio.gather(*(_depths(state, cell) for cell in cells))
    for name, of_cells in zip(state.models.queues, zip(*found, strict=True), strict=True):
        metrics.queue_depth.labels(name).set(sum(waiting for waiting, _ in of_cells))
        metrics.queue_oldest_age.labels(name).set(max(age_s for _, age_s in of_cells))


async def _depths(state: State, cell: Cell) -> list[tuple[int, float]]:
    now = await BrokerClock(state.broker, cell).look()
    return [await queue.depth(state.broker, cell, name, now) for name in state.models.queues]


async def _primaries(broker: Broker) -> list[Cell]:
    """
    Of each primary: whether it answers, its cells, and its memory where we may ask. One that is gone is not
    shown any more. Gives the cells of those that answer.
    """
    of: dict[str, list[Cell]] = {}
    for cell in broker.cells:
        of.setdefault(_home(broker, cell), []).append(cell)
    memories = await asyncio.gather(*(_memory(broker, cells[0]) for cells in of.values()))
    for gauge in _LOOKED_UP:
        gauge.clear()
    answering = []
    for (name, cells), memory in zip(of.items(), memories, strict=True):
        metrics.broker_answers.labels(name).set(memory is not None)
        metrics.broker_cells.labels(name).set(len(cells))
        if memory is None:
            continue
        answering += cells
        if (used := memory.get("used_memory")) is not None:
            metrics.broker_memory.labels(name).set(used)
        if most := memory.get("maxmemory"):
            metrics.broker_memory_limit.labels(name).set(most)
    return answering


def _home(broker: Broker, cell: Cell) -> str:
    try:
        return named(broker.home(cell))
    except BrokerUnavailable:
        return _UNKNOWN


async def _memory(broker: Broker, cell: Cell) -> dict[str, Any] | None:
    """Nothing of it where its user may not ask, who may do his work all the same; None: it is away."""
    try:
        async with asyncio.timeout(_WITHIN_S):
            [info] = await broker.pipe("info", cell, [("INFO", "memory")], tolerates=lambda i, error: True)
    except _AWAY:
        return None
    return info if isinstance(info, dict) else {}
