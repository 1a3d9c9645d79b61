"""What Headrace may cost. A budget whose workload was not run has no verdict."""

from collections.abc import Iterator, Sequence

from tests.bench import rounds
from tests.bench.figures import Quiet, Run, Verdict
from tests.bench.rounds import Round
from tests.bench.targets import DIALECTS, DIRECT, FASTAPI, OURS

#: The sizes that the budgets speak of.
_SMALL, _LARGE = 200, 1000
_KB = 1000


def verdicts(runs: Sequence[Run], played: Sequence[Round], quiet: Quiet | None) -> list[Verdict]:
    """Every budget that can be judged."""
    return [*_of_rounds(played), *_of_runs(runs), *(_of_quiet(quiet) if quiet is not None else ())]


def _of_rounds(played: Sequence[Round]) -> Iterator[Verdict]:
    if not played or played[0][OURS].streams != _SMALL:
        return
    cpu = rounds.figure(played, OURS, lambda run: run.cpu)
    yield Verdict(f"CPU per delta, N = {_SMALL}, all processes", cpu.median, 45, "us")
    of_peer = rounds.share(played, OURS, FASTAPI)
    yield Verdict(f"the same, as a share of {FASTAPI}", of_peer.median, 0.45, "")
    for dialect in DIALECTS:
        if dialect in played[0]:
            of_native = rounds.share(played, dialect, OURS)
            yield Verdict(f"CPU per delta of {dialect}, as a share of native", of_native.median, 1.15, "")


def _of_runs(runs: Sequence[Run]) -> Iterator[Verdict]:
    by_name = {(run.system, run.streams): run for run in runs}
    small, large = by_name.get((OURS, _SMALL)), by_name.get((OURS, _LARGE))
    if small is not None:
        direct = by_name.get((DIRECT, _SMALL))
        yield Verdict(f"delay p99, N = {_SMALL}", small.delay_ms.p99, 5, "ms")
        if direct is not None:
            added = small.ttft_ms.p50 - direct.ttft_ms.p50, small.ttft_ms.p99 - direct.ttft_ms.p99
            yield Verdict(f"added TTFT p50, N = {_SMALL}", added[0], 5, "ms")
            yield Verdict(f"added TTFT p99, N = {_SMALL}", added[1], 25, "ms")
        yield Verdict(f"deltas lost, N = {_SMALL}", small.lost, 0, "")
    if large is not None:
        yield Verdict(f"gateway CPU per delta, N = {_LARGE}", large.cpu_us_per_delta["gateway"], 12, "us")
        yield Verdict(f"delay p99, N = {_LARGE}", large.delay_ms.p99, 20, "ms")
        yield Verdict(f"deltas lost, N = {_LARGE}", large.lost, 0, "")


def _of_quiet(quiet: Quiet) -> Iterator[Verdict]:
    yield Verdict("job pick-up p50", quiet.pick_up_ms.p50, 5, "ms")
    yield Verdict("cancel to upstream closed p99", quiet.cancel.closed_ms.p99, 50, "ms")
    yield Verdict("cancels unheard or refused", quiet.cancel.unheard + quiet.cancel.refused, 0, "")
    yield Verdict("worker SIGKILL to next chunk p99", quiet.failover.silence_ms.p99 / 1000, 5, "s")
    yield Verdict("streams lost with a killed worker", quiet.failover.lost, 0, "")
    yield Verdict("replay of a 10,000-event log, slowest", quiet.replay_ms.worst, 150, "ms")
    yield Verdict("memory per open idle stream", quiet.idle_bytes / _KB, 22, "KB")
