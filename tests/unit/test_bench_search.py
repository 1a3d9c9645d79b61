"""The search for the largest number of streams."""

import pytest

from tests.bench.search import Search


@pytest.mark.parametrize("capacity", [0, 30, 99, 100, 430, 1000, 6400, 50_000])
def test_it_finds_what_is_carried(capacity: int) -> None:
    """Within a tenth from below, in few tries, and no more than may be tried."""
    search, tries = Search(), 0
    while search.next is not None:
        tries += 1
        search.tell(search.next <= capacity)
    expected = min(capacity, 6400)
    assert search.carried <= expected
    assert expected - search.carried <= 0.12 * expected + 1
    assert tries <= 20


def test_one_failure_is_no_failure() -> None:
    """A size is tried again before it counts as too large."""
    search, failed = Search(), set[int]()
    while search.next is not None:
        size = search.next
        search.tell(size <= 400 and size in failed)
        failed.add(size)
    assert 360 <= search.carried <= 400
