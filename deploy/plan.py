"""
How much of everything a number of streams needs, from what was measured: see deploy/CAPACITY.md.

It plans in CPU, which is what scales; what a machine's network carries is not in it.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

Part = Literal["gateway", "worker", "broker"]


@dataclass(frozen=True)
class Measured:
    """What one thing costs. CPU is in microseconds on one core of the machine in deploy/CAPACITY.md."""

    #: CPU of a delta in the middle of an answer.
    delta_us: dict[Part, float]
    #: CPU of beginning and ending one answer.
    answer_us: dict[Part, float]
    #: Memory of an open stream, and of a process that does nothing, in bytes.
    stream_bytes: dict[Part, int]
    process_bytes: dict[Part, int]
    #: Of a stored answer: each delta in its log, the rest of the log, and what the record holds of each delta
    #: and beside that, in bytes of the broker's memory.
    log_delta_bytes: int
    log_bytes: int
    record_delta_bytes: int
    record_bytes: int


MEASURED = Measured(
    delta_us={"gateway": 26, "worker": 29, "broker": 14},
    answer_us={"gateway": 500, "worker": 600, "broker": 300},
    stream_bytes={"gateway": 22_000, "worker": 60_000, "broker": 500},
    process_bytes={"gateway": 60_000_000, "worker": 60_000_000, "broker": 15_000_000},
    log_delta_bytes=80,
    log_bytes=500,
    record_delta_bytes=6,
    record_bytes=900,
)
#: Of a core, so that bursts, and what another process leaves behind when it fails, find room.
BUSY = 0.6
#: A process uses one core.
CORE_US = 1e6
#: A primary that holds more takes long to save, to copy and to fail over.
_LARGE_BROKER_BYTES = 25e9
#: What `HEADRACE_MAX_OPEN_STREAMS` allows a gateway.
_STREAMS_A_GATEWAY = 10_000


@dataclass(frozen=True)
class Load:
    """What is asked: *streams* at once of *rate* deltas a second, each answer *length* deltas long."""

    streams: int
    rate: float
    length: int = 500
    log_retention_s: int = 3600
    record_retention_s: int = 24 * 3600

    @property
    def deltas_a_second(self) -> float:
        """Of all streams."""
        return self.streams * self.rate

    @property
    def answers_a_second(self) -> float:
        """That begin, and that end."""
        return self.deltas_a_second / self.length


@dataclass(frozen=True)
class Need:
    """How many processes of one part, each with a core of its own; memory is of each, in bytes."""

    count: int
    #: What they use of their cores in all.
    cores: float
    memory_bytes: float
    #: What sets their number.
    bound: str


def needs(load: Load, measured: Measured = MEASURED) -> dict[Part, Need]:
    """What *load* takes. A broker's process is a primary of a cluster; with replicas it is so many more."""
    return {part: _need(part, load, measured) for part in get_args(Part)}


def stored_bytes(load: Load, measured: Measured = MEASURED) -> float:
    """What brokers hold of answers that have ended, once the first of them expire."""
    log = measured.log_bytes + load.length * measured.log_delta_bytes
    record = measured.record_bytes + load.length * measured.record_delta_bytes
    return load.answers_a_second * (log * load.log_retention_s + record * load.record_retention_s)


def _need(part: Part, load: Load, measured: Measured) -> Need:
    cores = (
        load.deltas_a_second * measured.delta_us[part] + load.answers_a_second * measured.answer_us[part]
    ) / CORE_US
    bounds = {"CPU": math.ceil(cores / BUSY)}
    if part == "gateway":
        bounds["open streams"] = math.ceil(load.streams / _STREAMS_A_GATEWAY)
    elif part == "broker":
        bounds["memory"] = math.ceil(stored_bytes(load, measured) / _LARGE_BROKER_BYTES)
    bound = max(bounds, key=bounds.__getitem__)
    count = max(1, bounds[bound])
    held = load.streams * measured.stream_bytes[part] / count + measured.process_bytes[part]
    if part == "broker":
        held += stored_bytes(load, measured) / count
    return Need(count, cores, held, bound)


def lines(load: Load, measured: Measured = MEASURED) -> list[str]:
    """The plan, for a terminal."""
    found = needs(load, measured)
    stored = stored_bytes(load, measured)
    told = [
        f"{load.streams:,} stream{'s' * (load.streams > 1)} at once, {load.rate:g} deltas a second each: "
        f"{_few(load.deltas_a_second)} deltas and {_few(load.answers_a_second)} new answers a second",
        "",
        f"{'part':<10}{'processes':>10}{'cores used':>12}{'memory each':>13}  set by",
    ]
    told += [
        f"{part:<10}{need.count:>10}{need.cores:>12.1f}{_size(need.memory_bytes):>13}  {need.bound}"
        for part, need in found.items()
    ]
    told += [
        "",
        f"ended answers in the brokers' memory: {_size(stored)}",
        f"first to break: {first(load, measured)}",
    ]
    return told


def first(load: Load, measured: Measured = MEASURED) -> str:
    """What breaks first where this load grows, or is met with one process of each part."""
    found = needs(load, measured)
    most: Part = max(get_args(Part), key=lambda part: found[part].cores)
    if found["broker"].bound == "memory":
        return (
            "the brokers' memory: keep answers for a shorter time "
            "(HEADRACE_LOG_RETENTION_S, HEADRACE_RECORD_RETENTION_S)"
        )
    if found["broker"].count > 1:
        return "one broker's core: it takes a cluster (gateways and workers are added as they are)"
    return f"the {most}s' cores: add processes"


def _few(number: float) -> str:
    """Not 0 of what there is."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _size(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"
