"""
What a gateway looks up when it is scraped: how much waits, and how the broker is. A primary that does not
answer holds up no scrape for longer than a moment, and is named.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

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
    *(metrics.broker_answers, metrics.broker_memory, metrics.broker_memory_limit, metrics.broker_cells),
    *(metrics.queue_depth, metrics.queue_oldest_age),
)
#: Of a cluster of which no node has said where anything is.
_UNKNOWN = "unknown"
_AWAY = (BrokerUnavailable, BrokerRefused, TimeoutError)


class _Seen(NamedTuple):
    """What a primary has answered: of each queue what waits, and how long its first has; its memory."""

    depths: list[list[tuple[int, float]]]
    memory: dict[str, Any]


async def look(state: State) -> None:
    """
    Set the gauges of broker and queues; of queues, what those primaries hold that answer all of it. What is
    not known is not shown, be it of a primary that is gone.
    """
    of: dict[str, list[Cell]] = {}
    for cell in state.broker.cells:
        of.setdefault(_home(state.broker, cell), []).append(cell)
    found = await asyncio.gather(*(_see(state, cells) for cells in of.values()))
    for gauge in _LOOKED_UP:
        gauge.clear()
    for (primary, cells), seen in zip(of.items(), found, strict=True):
        _show_primary(primary, len(cells), seen)
    if depths := [each for seen in found if seen is not None for each in seen.depths]:
        _show_queues(state.models.queues, depths)


def _show_primary(primary: str, cells: int, seen: _Seen | None) -> None:
    metrics.broker_answers.labels(primary).set(seen is not None)
    metrics.broker_cells.labels(primary).set(cells)
    if seen is None:
        return
    if (used := seen.memory.get("used_memory")) is not None:
        metrics.broker_memory.labels(primary).set(used)
    if most := seen.memory.get("maxmemory"):
        metrics.broker_memory_limit.labels(primary).set(most)


def _show_queues(names: Iterable[str], depths: list[list[tuple[int, float]]]) -> None:
    for name, of_cells in zip(names, zip(*depths, strict=True), strict=True):
        metrics.queue_depth.labels(name).set(sum(waiting for waiting, _ in of_cells))
        metrics.queue_oldest_age.labels(name).set(max(age_s for _, age_s in of_cells))


async def _see(state: State, cells: list[Cell]) -> _Seen | None:
    """None: it does not answer, or not all."""
    try:
        async with asyncio.timeout(_WITHIN_S):
            memory = await _memory(state.broker, cells[0])
            return _Seen(await asyncio.gather(*(_depths(state, cell) for cell in cells)), memory)
    except _AWAY:
        return None


async def _depths(state: State, cell: Cell) -> list[tuple[int, float]]:
    now = await BrokerClock(state.broker, cell).look()
    return [await queue.depth(state.broker, cell, name, now) for name in state.models.queues]


async def _memory(broker: Broker, cell: Cell) -> dict[str, Any]:
    """Nothing of it where its user may not ask, who may do his work all the same."""
    [info] = await broker.pipe("info", cell, [("INFO", "memory")], tolerates=lambda i, error: True)
    return info if isinstance(info, dict) else {}


def _home(broker: Broker, cell: Cell) -> str:
    try:
        return named(broker.home(cell))
    except BrokerUnavailable:
        return _UNKNOWN
