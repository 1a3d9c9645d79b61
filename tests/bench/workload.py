"""The workload: N streams at once, each with deltas at a steady rate, through one system."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.figures import Run, Spread, spread
from tests.bench.load import Stream, run_streams, script
from tests.bench.targets import Target

_RAMP_S = 2.0
_WARM_UP_STREAMS = 20
_WARM_UP_DELTAS = 20
#: A system that needs this many times the streams' own length has collapsed.
_PATIENCE = 8


@dataclass(frozen=True)
class Workload:
    """How much, how fast."""

    deltas: int
    rate: float

    def message(self, deltas: int | None = None) -> str:
        """What makes the upstream play it."""
        return script(rate=self.rate, length=deltas or self.deltas, stamp=True)


async def measure(name: str, target: Target, upstream: Target, load: Workload, streams: int) -> Run:
    """Run *streams* at once through *target*, once it is warm."""
    period_s = 1 / load.rate
    await run_streams(
        target.port,
        [target.ask(load.message(_WARM_UP_DELTAS)) for _ in range(_WARM_UP_STREAMS)],
        ramp_s=period_s,
        period_s=period_s,
        timeout_s=30,
    )
    began, before, before_client = time.monotonic(), target.child.cpu_s(), time.process_time()
    before_upstream = sum(upstream.child.cpu_s().values())
    done = await run_streams(
        target.port,
        [target.ask(load.message()) for _ in range(streams)],
        ramp_s=_RAMP_S,
        period_s=period_s,
        timeout_s=_PATIENCE * load.deltas * period_s + 30,
    )
    client_s = time.process_time() - before_client
    after, seconds = target.child.cpu_s(), time.monotonic() - began
    upstream_s = sum(upstream.child.cpu_s().values()) - before_upstream
    delivered = sum(len(stream.delays_ns) for stream in done)
    per_delta = 1e6 / max(1, delivered)
    return Run(
        system=name,
        streams=streams,
        expected=streams * load.deltas,
        delivered=delivered,
        failed_streams=sum(not _whole(stream, load) for stream in done),
        cpu_us_per_delta={role: (after[role] - before.get(role, 0)) * per_delta for role in after},
        rss_bytes=target.child.rss_bytes(),
        delay_ms=spread(delay / 1e6 for stream in done for delay in stream.delays_ns),
        ttft_ms=ttft_ms(done),
        upstream_us_per_delta=upstream_s * per_delta,
        client_us_per_delta=client_s * per_delta,
        seconds=seconds,
    )


def ttft_ms(streams: Sequence[Stream]) -> Spread:
    """From the request to the first delta."""
    return spread((stream.first_ns - stream.sent_ns) / 1e6 for stream in streams if stream.first_ns)


def _whole(stream: Stream, load: Workload) -> bool:
    return stream.ok and len(stream.delays_ns) == load.deltas
