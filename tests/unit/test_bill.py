"""What a reply was billed: each request once, over attempts, whoever was asked."""

from types import SimpleNamespace
from typing import Any

import pytest

from shared.events import HandOver, Reset, Text, Usage
from shared.outcome import Outcome
from shared.upstream import Prices
from worker.bill import Bill

PRICES = Prices(prompt=1_000_000, completion=2_000_000)
BILLED = Usage(10, 5, 15)


def upstream(prices: Prices | None) -> Any:
    """One at these prices."""
    return SimpleNamespace(model=SimpleNamespace(prices=prices))


def written() -> Outcome:
    """What an attempt wrote whose worker is lost: of one upstream, billed, then of another, not yet."""
    outcome = Outcome()
    for event in (
        HandOver(ts=1, upstream="1"),
        Text(2, "a", 5),
        HandOver(ts=3, upstream="2", reason="upstream_broke", billed=BILLED, cost=20.0),
        Reset(4),
        Text(5, "b", 3),
    ):
        outcome.add(event)
    return outcome


@pytest.mark.parametrize(("prices", "cost"), [(PRICES, 20 + 8 + 2 * 3), (None, 20)])
def test_after_a_lost_worker(prices: Prices | None, cost: float) -> None:
    """What was billed before counts once, and what followed that by our own count."""
    bill = Bill()
    bill.take_over(written(), upstream(prices), 8)
    assert bill.usage == Usage(18, 8, 26, estimated=True)
    assert bill.cost == cost


def test_of_one_that_is_given_up() -> None:
    """All that its log knows: what was billed, and by our own count what followed."""
    assert written().so_far() == {
        "usage": Usage(0, 3, 3, estimated=True),
        "billed": Usage(10, 8, 18, estimated=True),
        "cost": 20.0,
        "upstreams": ["1", "2"],
    }
    said = Outcome()
    said.add(Text(1, "a", 5))
    assert said.so_far()["billed"] is None


@pytest.mark.parametrize(("prices", "cost"), [(PRICES, 20 + 10 + 2 * 5), (None, 20)])
def test_one_request_more(prices: Prices | None, cost: float) -> None:
    """It is added; one that has said nothing costs nothing."""
    bill, outcome = Bill(), Outcome()
    outcome.add(HandOver(ts=1, upstream="1", billed=BILLED, cost=20.0))
    bill.take_over(outcome, upstream(prices), 8)
    for billed in (BILLED, None):
        asking: Any = SimpleNamespace(billed=billed, upstream=upstream(prices))
        bill.add(asking)
    assert bill.usage == Usage(20, 10, 30)
    assert bill.cost == cost
