"""What Headrace may cost. A budget whose workload was not run has no verdict."""

from collections.abc import Iterator, Mapping, Sequence

from tests.bench import rounds
from tests.bench.figures import Quiet, Run, Verdict
from tests.bench.rounds import Round
from tests.bench.short import Rates
from tests.bench.targets import DIALECTS, DIRECT, FASTAPI, OURS, RESUMABLE

#: The sizes that the budgets speak of.
_SMALL, _LARGE = 200, 1000
_KB = 1000


def verdicts(
    runs: Sequence[Run],
    played: Sequence[Round],
    quiet: Quiet | None,
    capacity: Mapping[str, int],
    short: Mapping[str, Rates],
) -> list[Verdict]:
    """Every budget that can be judged."""
    return [
        *_of_rounds(played),
        *_of_runs(runs),
        *_of_capacity(capacity),
        *_of_short(short),
        *(_of_quiet(quiet) if quiet is not None else ()),
    ]


def _of_rounds(played: Sequence[Round]) -> Iterator[Verdict]:
    if not played or played[0][OURS].streams != _SMALL:
        return
    for peer, budget in ((FASTAPI, 0.75), (RESUMABLE, 1)):
        if peer in played[0]:
            of_peer = rounds.share(played, OURS, peer)
            yield Verdict(f"CPU per delta, N = {_SMALL}, as a share of {peer}", of_peer.median, budget, "")
    broker = rounds.figure(played, OURS, lambda run: run.cpu_us_per_delta["broker"])
    yield Verdict(f"broker's CPU per delta, N = {_SMALL}", broker.median, 20, "us")
    delay = rounds.figure(played, OURS, lambda run: run.delay_ms.p99)
    yield Verdict(f"delay p99, N = {_SMALL}", delay.median, 8, "ms")
    for dialect in DIALECTS:
        if dialect in played[0]:
            of_native = rounds.share(played, dialect, OURS)
            yield Verdict(f"CPU per delta of {dialect}, as a share of native", of_native.median, 1.15, "")


def _of_runs(runs: Sequence[Run]) -> Iterator[Verdict]:
    by_name = {(run.system, run.streams): run for run in runs}
    small, large = by_name.get((OURS, _SMALL)), by_name.get((OURS, _LARGE))
    if small is not None:
        direct = by_name.get((DIRECT, _SMALL))
        if direct is not None:
            added = small.ttft_ms.p50 - direct.ttft_ms.p50, small.ttft_ms.p99 - direct.ttft_ms.p99
            yield Verdict(f"added TTFT p50, N = {_SMALL}", added[0], 5, "ms")
            yield Verdict(f"added TTFT p99, N = {_SMALL}", added[1], 25, "ms")
        yield Verdict(f"deltas lost, N = {_SMALL}", small.lost, 0, "")
    if large is not None:
        yield Verdict(f"CPU per delta, N = {_LARGE}, all processes", large.cpu, 60, "us")
        yield Verdict(f"deltas lost, N = {_LARGE}", large.lost, 0, "")


def _of_capacity(found: Mapping[str, int]) -> Iterator[Verdict]:
    if found.get(FASTAPI):
        # The other way round, as less is better everywhere.
        share = found[FASTAPI] / max(1, found[OURS])
        yield Verdict(f"most streams at once of {FASTAPI}, as a share of ours", share, 0.5, "")


def _of_short(found: Mapping[str, Rates]) -> Iterator[Verdict]:
    for what, theirs in found.get(RESUMABLE, {}).items():
        share = theirs / found[OURS][what]
        yield Verdict(f"short answers a second of {RESUMABLE}, {what}, as a share of ours", share, 1, "")


def _of_quiet(quiet: Quiet) -> Iterator[Verdict]:
    yield Verdict("job pick-up p50", quiet.pick_up_ms.p50, 5, "ms")
    yield Verdict("cancel to upstream closed p99", quiet.cancel.closed_ms.p99, 50, "ms")
    yield Verdict("cancels unheard or refused", quiet.cancel.unheard + quiet.cancel.refused, 0, "")
    yield Verdict("worker SIGKILL to next chunk p99", quiet.failover.silence_ms.p99 / 1000, 5, "s")
    yield Verdict("streams lost with a killed worker", quiet.failover.lost, 0, "")
    yield Verdict("replay of a 10,000-event log, slowest", quiet.replay_ms.worst, 150, "ms")
    yield Verdict("memory per open idle stream", quiet.idle_bytes / _KB, 22, "KB")
