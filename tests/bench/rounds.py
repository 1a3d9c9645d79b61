"""
Systems beside each other, for how much CPU one needs of another's.

The speed of a machine drifts, a shared one's by far more than what is to be told apart. So all contenders
stay up, each plays the whole workload once a round, every round begins with the next of them, and only
what was measured in the same round is compared: at equal speed, as the upstream tells it, whose work is
the same for all.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence

import msgspec

from tests.bench.figures import Run
from tests.bench.targets import Target
from tests.bench.workload import Workload, measure

Round = Mapping[str, Run]


class Range(msgspec.Struct, frozen=True):
    """One figure of all rounds."""

    median: float
    least: float
    most: float


async def play(
    contenders: Mapping[str, Target],
    upstream: Target,
    load: Workload,
    streams: int,
    count: int,
    say: Callable[[str], None],
) -> list[Round]:
    """That many rounds of *streams* at once for each contender."""
    names = list(contenders)
    rounds: list[Round] = []
    for number in range(count):
        at = number % len(names)
        say(f"round {number + 1} of {count}, {streams} streams each")
        played: dict[str, Run] = {}
        for name in names[at:] + names[:at]:
            run = played[name] = await measure(name, contenders[name], upstream, load, streams)
            by_role = ", ".join(f"{role} {cpu:.0f}" for role, cpu in run.cpu_us_per_delta.items())
            say(f"{name}: {by_role} us a delta (upstream {run.upstream_us_per_delta:.0f})")
        rounds.append(played)
    return rounds


def figure(rounds: Sequence[Round], system: str, value: Callable[[Run], float]) -> Range:
    """A figure of *system*."""
    return _range([value(played[system]) for played in rounds])


def share(rounds: Sequence[Round], system: str, other: str) -> Range:
    """The CPU per delta of *system*, as a share of what *other* needed in the same round, at equal speed."""
    return _range([_work(played[system]) / _work(played[other]) for played in rounds])


def _work(run: Run) -> float:
    """CPU in units of what the upstream spent beside it."""
    return run.cpu / run.upstream_us_per_delta


def _range(values: Sequence[float]) -> Range:
    return Range(statistics.median(values), min(values), max(values))
