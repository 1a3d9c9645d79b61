"""
Counters and histograms that cost their observer next to nothing: plain numbers, handed to prometheus_client
when it is scraped. Its own take a lock for each number they touch, which was 7 % of a worker.

They are counted in one thread, the event loop's.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector


class Count:
    """A number that grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        """Count *amount* more."""
        self.value += amount


class Spread:
    """How many observations fell into each bucket."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        #: One a bucket, and one for what is above them all.
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count *value* in."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class Counter(Collector):
    """A family of counts, one for each combination of its labels' values; `inc` is for one without labels."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str] = ()) -> None:
        self._about = name, documentation
        self._labels = labels
        self._counts: dict[tuple[str, ...], Count] = {} if labels else {(): Count()}
        REGISTRY.register(self)

    def labels(self, *values: str) -> Count:
        """The count of these values."""
        count = self._counts.get(values)
        if count is None:
            count = self._counts[values] = Count()
        return count

    def inc(self, amount: float = 1) -> None:
        """Count *amount* more."""
        self._counts[()].value += amount

    def collect(self) -> Iterable[CounterMetricFamily]:
        """What prometheus_client asks for."""
        family = CounterMetricFamily(*self._about, labels=self._labels)
        for values, count in self._counts.items():
            family.add_metric(values, count.value)
        return [family]


class Histogram(Collector):
    """A family of spreads; `observe` is for one without labels. *buckets* are upper bounds, rising."""

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str] = (), *, buckets: Sequence[float]
    ) -> None:
        self._about = name, documentation
        self._labels = labels
        self._bounds = buckets
        self._spreads: dict[tuple[str, ...], Spread] = {} if labels else {(): Spread(buckets)}
        REGISTRY.register(self)

    def labels(self, *values: str) -> Spread:
        """The spread of these values."""
        spread = self._spreads.get(values)
        if spread is None:
            spread = self._spreads[values] = Spread(self._bounds)
        return spread

    def observe(self, value: float) -> None:
        """Count *value* in."""
        self._spreads[()].observe(value)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """What prometheus_client asks for."""
        family = HistogramMetricFamily(*self._about, labels=self._labels)
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        for values, spread in self._spreads.items():
            buckets = list(zip(names, accumulate(spread.counts), strict=True))
            family.add_metric(values, buckets, spread.sum)
        return [family]
