"""What speeches are told in: whose piece of sound it is, and that one was stopped."""

from typing import Any

from gateway.speech.frames import OpenAIEncoder, PlacesEncoder
from shared.events import Audio, End, Usage
from shared.position import Position

#: Neither needs anything of it.
GENERATION: Any = None


def test_a_place_is_of_its_attempt() -> None:
    """Another attempt's pieces begin at one again."""
    sound = Audio(ts=1, number=3, at=10, size=5, start=0, end=2, ms=1)
    assert PlacesEncoder(GENERATION).encode(Position(2, 7), sound) == b"2-3 10 5\n"


def test_one_that_was_stopped_says_so() -> None:
    """Also to OpenAI's clients, who have no word for it."""
    for reason, told in (("cancelled", True), ("stop", False)):
        end = End(ts=1, finish_reason=reason, usage=Usage(1, 0, 1))
        frame = OpenAIEncoder(GENERATION).encode(Position(1, 7), end)
        assert (b'"finish_reason":"cancelled"' in frame) is told
        assert (PlacesEncoder(GENERATION).encode(Position(1, 7), end) == b"!\n") is told
