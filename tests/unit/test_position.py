"""Positions: their order, their one spelling, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.position import ORIGIN, Position

positions = st.builds(Position, st.integers(0, 10**8), st.integers(0, 10**17))


@given(position=positions)
def test_round_trip(position: Position) -> None:
    """What is written is read again."""
    assert Position.parse(str(position)) == position
    assert Position.of(str(position).encode()) == position


@given(text=st.text(max_size=12))
def test_anything_else_is_refused(text: str) -> None:
    """Whatever is read is written the same again; all else is a `ValueError`."""
    try:
        assert str(Position.parse(text)) == text
    except ValueError as error:
        assert "1-57" in str(error)


@pytest.mark.parametrize(
    "text", ["", "1", "-", "1-", "-1", "01-1", "1-01", "1-1\n", " 1-1", "\u0661-1", "1-1-1"]
)
def test_near_misses(text: str) -> None:
    """There is one spelling of a position, leading zeros and other digits are none."""
    with pytest.raises(ValueError, match="looks like"):
        Position.parse(text)


@given(position=positions)
def test_order(position: Position) -> None:
    """The next one is above, and every position of a newer attempt above that."""
    assert position < position.next() < Position(position.attempt + 1, 0)


@given(position=positions, other=positions)
def test_what_follows(position: Position, other: Position) -> None:
    """The next one, and no other."""
    assert position.next().follows(position)
    assert other.follows(position) == (other == position.next())


def test_origin() -> None:
    """The first event of all follows the origin."""
    assert ORIGIN.next() == Position(1, 0)
