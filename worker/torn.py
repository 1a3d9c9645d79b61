"""
What a broker has lost together with the worker that wrote it, nobody can write again. Readers may have it,
and would get words twice from whoever goes on from what is left: so they begin anew, with that.
"""

from collections.abc import Sequence

from shared import events
from shared.event_log import Entry
from shared.events import Event, Picture, Reasoning, Reset, Text, ToolCall, now_ms
from shared.failures import WorkerLost
from shared.generation import Generation


def is_torn(generation: Generation, log: Sequence[Entry]) -> bool:
    """Whether *log* may lack what readers have, and they were not told so yet. See `lua/claim.lua`."""
    if not generation.torn:
        return False
    since = (entry.event for entry in reversed(log) if entry.position.attempt >= generation.torn)
    return not any(isinstance(events.decode(event), Reset) for event in since)


def told_again(log: Sequence[Entry]) -> list[Event]:
    """A reset, and what stands in *log*."""
    kept: list[Event] = []
    for event in (events.decode(entry.event) for entry in log):
        if isinstance(event, Reset):
            kept.clear()
        elif isinstance(event, Text | Reasoning | ToolCall | Picture):
            kept.append(event)
    return [Reset(ts=now_ms(), reason=WorkerLost.code, told_again=True), *kept]
