"""Counters and histograms: they show what prometheus_client's own would show."""

import prometheus_client as theirs
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shared import counting as ours
from shared import metrics

BOUNDS = (0.1, 1, 2.5)
OBSERVED = (0, 0.1, 0.10001, 1, 2, 2.5, 2.6, 1000)


def page(registry: CollectorRegistry) -> list[str]:
    """What a scrape gives, without the moments of birth."""
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


@pytest.mark.parametrize("labelled", [False, True])
def test_the_same_page(monkeypatch: pytest.MonkeyPatch, labelled: bool) -> None:
    """Observations on a bound and beyond all of them, with labels and without, and before the first."""
    expected, got = CollectorRegistry(), CollectorRegistry()
    monkeypatch.setattr(ours, "REGISTRY", got)
    names = ["model"] if labelled else []
    their_counter = theirs.Counter("counted", "How many.", names, registry=expected)
    their_histogram = theirs.Histogram("took_seconds", "How long.", names, buckets=BOUNDS, registry=expected)
    our_counter = ours.Counter("counted", "How many.", names)
    our_histogram = ours.Histogram("took_seconds", "How long.", names, buckets=BOUNDS)
    assert page(got) == page(expected)
    for value in OBSERVED:
        for counter, histogram in ((their_counter, their_histogram), (our_counter, our_histogram)):
            (counter.labels("m") if labelled else counter).inc(value)
            (histogram.labels("m") if labelled else histogram).observe(value)
    assert page(got) == page(expected)


def test_tenants_are_labels_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that came first keep their own."""
    monkeypatch.setattr(metrics, "_tenants", {})
    for _ in range(2):
        labels = [metrics.tenant(f"t{number}") for number in range(300)]
        assert labels == [*(f"t{number}" for number in range(200)), *["*"] * 100]
