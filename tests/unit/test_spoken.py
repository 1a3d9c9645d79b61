"""How far a speech has come, by its own log."""

from shared.events import Audio, Reset
from worker.speech.spoken import Spoken


def _half_said() -> Spoken:
    spoken = Spoken()
    spoken.add(Audio(ts=1, number=0, at=0, size=10, start=0, end=5, ms=1, last=True))
    spoken.add(Audio(ts=2, number=1, at=10, size=7, start=5, end=9, ms=1))
    return spoken


def test_half_a_sentence_is_void_with_its_text() -> None:
    """Else as much would be left out of the first sentence of the next."""
    spoken = _half_said()
    assert (spoken.end, spoken.partial) == (5, 7)
    spoken.add(Reset(ts=3))
    assert (spoken.end, spoken.partial, spoken.size, spoken.resets) == (0, 0, 17, 1)


def test_what_was_lost_is_no_version() -> None:
    """The reply's log has none to count; a worker that counted it would find nothing more to say."""
    spoken = _half_said()
    spoken.add(Reset(ts=3, told_again=True))
    assert (spoken.end, spoken.partial, spoken.resets) == (0, 0, 0)
