"""
`python -m tests.bench.limits`: what limits cost. Ours with every limit on plays beside ours without any, in
turn as in `rounds`; and how often each asks the broker for one message.
"""

import argparse
import asyncio
import re
import statistics
import urllib.request
from collections import Counter

import uvloop

from tests.bench import rounds, targets
from tests.bench.children import raise_file_limit
from tests.bench.load import run_streams, script
from tests.bench.targets import LIMITED, OURS, Target
from tests.bench.workload import Workload

#: Enough, one after another, for what a gateway asks now and then by itself to be nobody's.
_ASKED = 100
_TRIPS = re.compile(r'^headrace_redis_round_trips_total\{command="(\w+)"\} (\S+)$', re.MULTILINE)


async def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.limits", description=__doc__)
    parser.add_argument("--streams", type=int, default=100, help="streams at once")
    parser.add_argument("--deltas", type=int, default=60, help="of each, 20 a second")
    parser.add_argument("--rounds", type=int, default=5, help="how often they are compared")
    chosen = parser.parse_args()
    raise_file_limit()
    async with (
        targets.upstream() as upstream,
        targets.headrace(upstream.port) as ours,
        targets.headrace(upstream.port, limited=True) as limited,
    ):
        contenders = {OURS: ours, LIMITED: limited}
        for name, target in contenders.items():
            asked = await _round_trips(target)
            print(f"{name}: " + ", ".join(f"{count:.1f} {command}" for command, count in asked.items()))
        played = await rounds.play(
            contenders, upstream, Workload(chosen.deltas, 20), chosen.streams, chosen.rounds, print
        )
    share = rounds.share(played, LIMITED, OURS)
    print(f"CPU a delta, as a share of none: {share.median:.3f} ({share.least:.3f} to {share.most:.3f})")
    for percentile in ("p50", "p99"):
        more = [
            getattr(each[LIMITED].ttft_ms, percentile) - getattr(each[OURS].ttft_ms, percentile)
            for each in played
        ]
        print(
            f"added TTFT {percentile}: {statistics.median(more):.2f} ms ({min(more):.2f} to {max(more):.2f})"
        )


async def _round_trips(target: Target) -> dict[str, float]:
    """What its gateway asks its broker for one message and its short reply, by command."""
    requests = [target.ask(script(rate=0, length=1)) for _ in range(_ASKED)]
    before = await asyncio.to_thread(_counted, target.port)
    for request in requests:
        await run_streams(target.port, [request], ramp_s=0, period_s=0.01, timeout_s=10)
    after = await asyncio.to_thread(_counted, target.port)
    per_message = {name: count / _ASKED for name, count in (after - before).items()}
    return {name: count for name, count in per_message.items() if count > 1 / 2}


def _counted(port: int) -> Counter[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        said = answer.read().decode()
    return Counter({name: int(float(value)) for name, value in _TRIPS.findall(said)})


if __name__ == "__main__":
    uvloop.run(main())
