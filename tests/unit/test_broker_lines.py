"""What connections to a broker make of what comes over them, and of what does not."""

import asyncio
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from shared.append_line import AppendLine
from shared.backlog import Backlog
from shared.cells import Cells
from shared.channels import Channels
from shared.errors import BrokerRefused
from shared.subscriber import Channel, Subscriber


async def test_an_answer_to_nobody() -> None:
    """Breaks the line: which append would the next one answer?"""
    line = object.__new__(AppendLine)
    line._steps = deque()
    with pytest.raises(ConnectionError):
        line._take(b"OK")


async def test_an_append_that_is_answered() -> None:
    """Is not overdue any more; a refusal is looked at, for its cell may be elsewhere by now."""
    [cell] = Cells(1)
    line, said = object.__new__(AppendLine), list[Any]()
    broker: Any = SimpleNamespace(
        failure=lambda name, error: BrokerRefused(), redirected=lambda cell, error: said.append("elsewhere")
    )
    step: Any = SimpleNamespace(cell=cell, places=[])
    overdue: Any = SimpleNamespace(cancel=lambda: said.append("in time"))
    line._broker, line._steps, line._overdue, line._refusal = broker, deque([step]), overdue, None
    line._answered = said.append
    line._take(ValueError("MOVED"))
    assert said[:2] == ["elsewhere", "in time"] and isinstance(said[2], BrokerRefused)
    assert line._overdue is None


async def test_a_channel_that_moves() -> None:
    """Is asked for where it is; one that was left, and asked for again since, is not."""
    [cell] = Cells(1)
    subscriber, stirred = object.__new__(Subscriber), list[bool]()
    channel = Channel(cell, b"hr:live:x", lambda _: None, None)
    subscriber._channels, subscriber._stir = {channel.name: channel}, lambda: stirred.append(True)
    subscriber._left(channel.name)
    assert not stirred
    channel.confirmed.set()
    subscriber._left(channel.name)
    assert stirred == [True] and not subscriber._channels and not channel.confirmed.is_set()


async def test_how_long_ago_it_broke() -> None:
    """A break counts for a while."""
    [cell] = Cells(1)
    channels = object.__new__(Channels)
    channels._lost_at = {}
    assert not channels.away_within(cell, 60)
    channels._lost_at[cell] = asyncio.get_running_loop().time() - 10
    assert (channels.away_within(cell, 5), channels.away_within(cell, 20)) == (False, True)


async def test_what_waits_elsewhere() -> None:
    """Not what waits in the cell itself: the step that adds one counts that."""
    broker: Any = SimpleNamespace(cells=Cells(2))
    first, second = broker.cells
    backlog = Backlog(broker, "q")
    backlog._looked_at = asyncio.get_running_loop().time()
    for cell in (first, first, second):
        backlog.added(cell)
    assert (backlog.elsewhere(first), backlog.elsewhere(second)) == (1, 2)
