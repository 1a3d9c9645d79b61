"""Ranges of what is still being made; those of what is all there: `tests/kit/byte_ranges.py`."""

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.edge.ranges import Span, asked_of
from shared.errors import RangeNotSatisfiable


@pytest.mark.parametrize(
    ("asked", "top", "grows", "gives"),
    [
        ("bytes=0-", 0, True, Span(0)),
        ("bytes=3-", 3, True, Span(3)),
        ("bytes=1-9", 3, True, Span(1, 2)),
        ("bytes=1-1", 3, False, Span(1, 1)),
        ("bytes=0-9", 0, True, None),
        ("bytes=-2", 3, True, None),
        ("bytes=0-0,2-2", 3, True, None),
        ("bytes=3-", 3, False, 416),
        ("bytes=4-", 3, True, 416),
        ("bytes=3-9", 3, True, 416),
    ],
)
def test_of_what_is_being_made(asked: str, top: int, grows: bool, gives: Span | int | None) -> None:
    """No more is promised than what is there, but for the rest, whatever that will be."""
    request = make_mocked_request("GET", "/", headers={"Range": asked})
    ranges = asked_of(request, '"tag"')
    assert ranges is not None
    if gives == 416:
        with pytest.raises(RangeNotSatisfiable) as refused:
            ranges.so_far(top, grows=grows)
        assert refused.value.size is None, "nobody knows how long it will be"
    else:
        assert ranges.so_far(top, grows=grows) == gives
