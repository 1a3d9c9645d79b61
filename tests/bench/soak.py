"""
The soak: `python -m tests.bench.soak --minutes 30` keeps streams going through `headrace up`, and tells how
the memory of each process grows meanwhile. It is run by hand.
"""
# Only `make bench` installs what is imported here, but the code is checked everywhere.
# mypy: disable-error-code="import-not-found,import-untyped"

import argparse
import asyncio
import os
import re
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field

import uvloop

from tests.bench import targets
from tests.bench.children import raise_file_limit
from tests.bench.load import Stream, open_stream
from tests.bench.targets import Target
from tests.bench.workload import Workload

_SAMPLE_S = 5.0
#: Samples from one line on the way to the next: five minutes.
_SAID_EACH = 60
#: What has ended is kept for a tenth of the time that settling takes, or the broker would grow all the while.
_RETENTION_S = 60
#: Caches and allocators fill up first; the slope is taken of what follows.
_SETTLED_AFTER = 0.4


@dataclass
class Tally:
    """What was played, and what each role's processes held resident at which second."""

    streams: int = 0
    #: How many were not whole, by what came instead.
    broken: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


async def soak(streams: int, minutes: float, primaries: int) -> Tally:
    """Keep *streams* going for *minutes*, each followed by the next."""
    tally, load = Tally(), Workload(deltas=100, rate=20)
    async with (
        targets.upstream() as upstream,
        targets.headrace(upstream.port, primaries=primaries) as ours,
    ):
        until = time.monotonic() + minutes * 60
        await asyncio.gather(
            _sample(ours, tally, until), *(_play(ours, load, tally, until) for _ in range(streams))
        )
    return tally


async def _play(ours: Target, load: Workload, tally: Tally, until: float) -> None:
    while time.monotonic() < until:
        stream = await open_stream(ours.port, ours.ask(load.message()), keep=True)
        await stream.over
        tally.streams += 1
        if not stream.ok or len(stream.delays_ns) != load.deltas:
            tally.broken[_what_came(stream)] += 1


def _what_came(stream: Stream) -> str:
    status = stream.head.partition(b"\r\n")[0].decode(errors="replace")
    frames = stream.body.rpartition(b"data: ")[2]
    ended = re.search(rb'"(?:code|finish_reason)":"(\w+)"', frames)
    return f"{status}, {len(stream.delays_ns)} deltas, {ended[1].decode() if ended else 'no end'}"


async def _sample(ours: Target, tally: Tally, until: float) -> None:
    began = time.monotonic()
    while time.monotonic() < until:
        for role, size in ours.child.rss_bytes().items():
            tally.samples.setdefault(role, []).append((time.monotonic() - began, size / 1e6))
        if len(tally.samples["gateway"]) % _SAID_EACH == 0:
            now = ", ".join(f"{role} {samples[-1][1]:.1f}" for role, samples in tally.samples.items())
            print(f"after {(time.monotonic() - began) / 60:.0f} min: {now} MB", flush=True)
        await asyncio.sleep(_SAMPLE_S)


def show(tally: Tally) -> None:
    """A Markdown table: memory settled, memory at the end, and the slope between."""
    print(f"{tally.streams} streams, {tally.broken.total()} broken\n")
    for what, count in tally.broken.most_common():
        print(f"{count} x {what}")
    print("| process | MB settled | MB at the end | MB an hour |\n| --- | ---: | ---: | ---: |")
    for role, samples in tally.samples.items():
        settled = samples[int(len(samples) * _SETTLED_AFTER) :]
        slope, _ = statistics.linear_regression(*zip(*settled, strict=True))
        print(f"| {role} | {settled[0][1]:.1f} | {settled[-1][1]:.1f} | {slope * 3600:+.2f} |")


def main() -> None:
    """`python -m tests.bench.soak`"""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("--streams", type=int, default=50, help="streams at once")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--cluster", type=int, default=1, metavar="N", help="over so many primaries")
    chosen = parser.parse_args()
    raise_file_limit()
    for kept in ("LOG", "RECORD"):
        os.environ.setdefault(f"HEADRACE_{kept}_RETENTION_S", str(_RETENTION_S))
    show(uvloop.run(soak(chosen.streams, chosen.minutes, chosen.cluster)))


if __name__ == "__main__":
    main()
