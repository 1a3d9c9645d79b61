"""What `/metrics` of several processes say at a moment, and what has happened between two moments."""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
#: By a sample's name, its values by their labels.
Page = Mapping[str, Mapping[Labels, float]]

_TIMEOUT = aiohttp.ClientTimeout(total=2)
_PORTS = 65536


class Look:
    """All of them at one moment; a process that does not answer has no page."""

    def __init__(self, pages: Mapping[str, Page], at: float) -> None:
        self.pages, self.at = pages, at

    def total(self, name: str, among: Iterable[str] | None = None, **labels: str) -> float:
        """A sample's sum over processes (or *among* those) and over all labels but the given ones."""
        return sum(self._found(name, among, labels))

    def most(self, name: str, **labels: str) -> float:
        """Its largest, where every process sees the same thing."""
        return max(self._found(name, None, labels), default=0.0)

    def least(self, name: str, **labels: str) -> float:
        """Its smallest, where one that sees less is right."""
        return min(self._found(name, None, labels), default=0.0)

    def by(self, label: str, name: str, address: str, **labels: str) -> Mapping[str, float]:
        """Of one process: a sample's sums by that label."""
        sums: dict[str, float] = defaultdict(float)
        wanted = labels.items()
        for has, value in self.pages.get(address, {}).get(name, {}).items():
            if wanted <= has:
                sums[next((of for key, of in has if key == label), "")] += value
        return sums

    def _found(self, name: str, among: Iterable[str] | None, labels: Mapping[str, str]) -> Iterator[float]:
        wanted = labels.items()
        for address, page in self.pages.items():
            if among is None or address in among:
                yield from (value for has, value in page.get(name, {}).items() if wanted <= has)

    def values(self, name: str, label: str) -> list[str]:
        """All that a label has been."""
        found = (dict(has).get(label) for page in self.pages.values() for has in page.get(name, {}))
        return sorted({value for value in found if value is not None})


class Between:
    """What has happened from *before* to *now*."""

    def __init__(self, before: Look, now: Look) -> None:
        self.before, self.now = before, now
        self._s = max(1e-3, now.at - before.at)

    def rate(self, name: str, among: Iterable[str] | None = None, **labels: str) -> float:
        """How much a counter rose in a second. A process that has begun anew counts from nothing."""
        return self._risen(name, among, labels) / self._s

    def quantile(self, of: float, histogram: str, **labels: str) -> float | None:
        """As Prometheus estimates it; None where nothing was observed."""
        counts: dict[float, float] = defaultdict(float)
        for address in self.now.pages:
            # All bounds in one look: there may be hundreds of models, each with its own.
            now = self.now.by("le", f"{histogram}_bucket", address, **labels)
            before = self.before.by("le", f"{histogram}_bucket", address, **labels)
            for bound, count in now.items():
                counts[float(bound)] += _risen(before.get(bound, 0.0), count)
        return quantile(of, sorted(counts.items()))

    def _risen(self, name: str, among: Iterable[str] | None, labels: Mapping[str, str]) -> float:
        """Each process by itself: one that has gone, or begun anew, takes nothing from the others."""
        return sum(
            _risen(self.before.total(name, [address], **labels), self.now.total(name, [address], **labels))
            for address in self.now.pages
            if among is None or address in among
        )


def _risen(before: float, now: float) -> float:
    return now if now < before else now - before


def quantile(of: float, cumulative: Sequence[tuple[float, float]]) -> float | None:
    """Of buckets by their upper bounds, each with how many are in it and those before."""
    if not cumulative or not (total := cumulative[-1][1]):
        return None
    rank = of * total
    for (lower, below), (upper, count) in pairwise([(0.0, 0.0), *cumulative]):
        if count >= rank:
            if math.isinf(upper):
                return lower
            share = (rank - below) / (count - below) if count > below else 1.0
            return lower + (upper - lower) * share
    return cumulative[-1][0]


async def look(http: aiohttp.ClientSession, addresses: Sequence[str]) -> Look:
    """Ask all of them at once."""
    pages = await asyncio.gather(*(_page(http, address) for address in addresses))
    return Look(
        {address: page for address, page in zip(addresses, pages, strict=True) if page is not None},
        time.monotonic(),
    )


async def answering(http: aiohttp.ClientSession, address: Callable[[int], str], first: int) -> list[str]:
    """Those at *first* and the ports that follow, up to one that does not answer."""
    found: list[str] = []
    for port in range(first, _PORTS):
        if await _page(http, address(port)) is None:
            break
        found.append(address(port))
    return found


async def _page(http: aiohttp.ClientSession, address: str) -> Page | None:
    try:
        async with http.get(f"{address}/metrics", timeout=_TIMEOUT) as response:
            if response.status != 200:
                return None
            return parsed(await response.text())
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):  # or what answers is no page of metrics
        return None


def parsed(text: str) -> Page:
    """A page of metrics."""
    page: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            page.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return page
