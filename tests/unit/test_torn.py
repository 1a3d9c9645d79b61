"""Whether a log may lack what its readers have, and what they are told then."""

import pytest

from shared.event_log import Entry
from shared.events import Event, Reset, Text, encode
from shared.generation import Generation
from shared.position import Position
from worker.torn import is_torn, told_again


def entries(*said: tuple[int, Event]) -> list[Entry]:
    """A log of events, each of an attempt."""
    return [Entry(Position(attempt, at), encode(event)) for at, (attempt, event) in enumerate(said)]


@pytest.mark.parametrize(
    ("torn", "log", "expected"),
    [
        (0, entries((1, Text(1, "a"))), False),
        (3, entries(), True),
        (3, entries((1, Text(1, "a"))), True),
        (3, entries((2, Reset(1)), (2, Text(1, "a"))), True),
        (3, entries((1, Text(1, "a")), (3, Reset(1)), (3, Text(1, "a"))), False),
        (3, entries((4, Reset(1))), False),
    ],
)
def test_who_is_told(torn: int, log: list[Entry], expected: bool) -> None:
    """Once: who has begun anew since then has not missed anything."""
    generation = Generation(
        id="gen_1",
        owner="o",
        state="running",
        model="m",
        queue="q",
        dialect="native",
        created_ms=1,
        torn=torn,
    )
    assert is_torn(generation, log) is expected


def test_what_is_told_again() -> None:
    """All that stands, and nothing that was void."""
    log = entries((1, Text(1, "void")), (1, Reset(2)), (1, Text(3, "a")), (2, Text(4, "b")))
    reset, *kept = told_again(log)
    assert isinstance(reset, Reset)
    assert (reset.told_again, reset.reason) == (True, "worker_lost")
    assert kept == [Text(3, "a"), Text(4, "b")]
