"""What was measured, and what it is held against: the budgets, each with its verdict."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """Percentiles, in ms."""

    p50: float
    p99: float
    worst: float


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One system under the whole workload. CPU is user + system from first request to last end."""

    system: str
    streams: int
    expected: int
    delivered: int
    failed_streams: int
    cpu_us_per_delta: dict[str, float]
    rss_bytes: dict[str, int]
    #: From the stamp that the upstream puts into a delta to the load client.
    delay_ms: Spread
    ttft_ms: Spread
    #: What upstream and load client spent meanwhile: a client near a whole core would measure itself.
    upstream_us_per_delta: float
    client_us_per_delta: float
    seconds: float

    @property
    def lost(self) -> int:
        """Deltas that never came."""
        return self.expected - self.delivered

    @property
    def cpu(self) -> float:
        """Of all its processes, in microseconds a delta."""
        return sum(self.cpu_us_per_delta.values())


class Reaction(msgspec.Struct, frozen=True):
    """What cancels came to: until the upstream was closed, and until the receipt."""

    closed_ms: Spread
    receipt_ms: Spread
    #: Cancels of which the upstream never heard.
    unheard: int
    #: Cancels whose receipt does not say `cancelled`.
    refused: int


class Failover(msgspec.Struct, frozen=True):
    """What the loss of a worker came to, for the streams it struck."""

    silence_ms: Spread
    struck: int
    #: Streams that ended without all their deltas.
    lost: int


class Quiet(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured of ours while little else happens."""

    pick_up_ms: Spread
    cancel: Reaction
    replay_ms: Spread
    failover: Failover
    idle_bytes: float
    idle_floor_bytes: float


class Verdict(msgspec.Struct, frozen=True):
    """One budget."""

    what: str
    measured: float
    budget: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether it was kept."""
        return self.measured <= self.budget


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the bench."""

    machine: dict[str, str]
    workload: dict[str, float]
    runs: Sequence[Run]
    #: By system, what each round measured: see `rounds`.
    rounds: Sequence[Mapping[str, Run]]
    quiet: Quiet | None
    verdicts: Sequence[Verdict]
    #: The most streams at once that each system carries; see `capacity`.
    capacity: Mapping[str, int] = {}
    #: Short answers, requests a second by system and what was asked for; see `short`.
    short: Mapping[str, Mapping[str, float]] = {}


def spread(values: Iterable[float]) -> Spread:
    """Percentiles by nearest rank; infinite where there is nothing to rank."""
    ranked = sorted(values)
    if not ranked:
        return Spread(float("inf"), float("inf"), float("inf"))
    return Spread(_rank(ranked, 0.5), _rank(ranked, 0.99), ranked[-1])


def _rank(ranked: Sequence[float], share: float) -> float:
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
