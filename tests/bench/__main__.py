"""
Run the bench: every system under the same streams, one after another; ours and peers beside each other, in
rounds; how many streams each carries, and short answers; and then what only ours does.

It wants the machine to itself. Everything it starts it ends, also when it is interrupted.
"""

import argparse
import asyncio
import contextlib
import os
import platform
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import uvloop

from tests.bench import budgets, capacity, idle, plot, quiet, report, rounds, short, targets
from tests.bench.children import Failed, raise_file_limit
from tests.bench.figures import Quiet, Results, Run
from tests.bench.rounds import Round
from tests.bench.targets import (
    DIALECTS,
    DIRECT,
    FASTAPI,
    LITELLM,
    OTHER,
    OURS,
    PEERS,
    RESUMABLE,
    Target,
)
from tests.bench.workload import Workload, measure

_RESULTS = Path(__file__).parents[2] / "bench-results"
_REPLAYED_EVENTS = 10_000
#: Deltas of a stream where it is looked for how many streams a system carries.
_CAPACITY_DELTAS = 40
_PEERS_PACKAGES = ("aiohttp", "fastapi", "httptools", "httpx", "openai", "sse-starlette", "uvicorn", "uvloop")


@dataclass(frozen=True)
class Extent:
    """How often and how many, for what is measured otherwise than by the whole workload once."""

    rounds: int = 5
    pick_ups: int = 200
    cancels: int = 200
    replays: int = 10
    streams_at_failover: int = 40
    idle_streams: int = 1000
    #: For each kind of short answer.
    short_s: float = 3


_QUICK = Extent(
    rounds=2, pick_ups=50, cancels=40, replays=3, streams_at_failover=20, idle_streams=200, short_s=0.5
)
_PARTS = ("runs", "rounds", "capacity", "short", "quiet")


async def bench(
    sizes: Sequence[int],
    load: Workload,
    extent: Extent,
    *,
    dialects: bool,
    parts: Sequence[str],
    against: Path | None,
) -> Results:
    """Measure these *parts* of everything; in rounds, also the checkout *against*."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with targets.upstream() as upstream:
        runs = [run async for run in _runs(upstream, load, sizes)] if "runs" in parts else []
        played: list[Round] = []
        if "rounds" in parts:
            async with _contenders(upstream, [FASTAPI, RESUMABLE], dialects, against) as contenders:
                played = await rounds.play(contenders, upstream, load, sizes[0], extent.rounds, _say)
        carried: dict[str, int] = {}
        short_rates: dict[str, short.Rates] = {}
        if {"capacity", "short"} & {*parts}:
            async with _contenders(upstream, [FASTAPI, RESUMABLE, LITELLM], False, against) as contenders:
                if "short" in parts:
                    short_rates = await short.rates(contenders, extent.rounds, extent.short_s, _say)
                if "capacity" in parts:
                    briefly = replace(load, deltas=min(load.deltas, _CAPACITY_DELTAS))
                    carried = await capacity.find(contenders, upstream, briefly, _say)
        found = await _quiet(upstream, extent) if "quiet" in parts else None
    return Results(
        machine={
            "system": platform.platform(),
            "processor": _processor(),
            "cpus": str(os.cpu_count()),
            "python": platform.python_version(),
            **_versions(),
        },
        workload={"deltas": load.deltas, "rate": load.rate},
        runs=runs,
        rounds=played,
        quiet=found,
        verdicts=budgets.verdicts(runs, played, found, carried, short_rates),
        capacity=carried,
        short=short_rates,
    )


async def _runs(upstream: Target, load: Workload, sizes: Sequence[int]) -> AsyncIterator[Run]:
    systems: dict[str, AbstractAsyncContextManager[Target]] = {
        DIRECT: contextlib.nullcontext(upstream),
        OURS: targets.headrace(upstream.port),
        **{name: targets.peer(module, upstream.port) for name, module in PEERS.items()},
    }
    for name, starting in systems.items():
        async with starting as target:
            for streams in sizes:
                _say(f"{name}, {streams} streams")
                yield await measure(name, target, upstream, load, streams)


@contextlib.asynccontextmanager
async def _contenders(
    upstream: Target, peers: Sequence[str], dialects: bool, against: Path | None
) -> AsyncIterator[dict[str, Target]]:
    """Ours, *peers*, and what was asked for beside them, all up at once."""
    async with contextlib.AsyncExitStack() as up:
        ours = await up.enter_async_context(targets.headrace(upstream.port))
        contenders = {OURS: ours}
        for name in peers:
            contenders[name] = await up.enter_async_context(targets.peer(PEERS[name], upstream.port))
        if against is not None:
            other = targets.headrace(upstream.port, bin_folder=against / ".venv" / "bin")
            contenders[OTHER] = await up.enter_async_context(other)
        if dialects:
            contenders |= {name: replace(ours, ask=ask) for name, ask in DIALECTS.items()}
        yield contenders


async def _quiet(upstream: Target, extent: Extent) -> Quiet:
    async with targets.headrace(upstream.port) as ours:
        _say("job pick-up")
        pick_up = await quiet.pick_up_ms(ours, upstream, extent.pick_ups)
        _say("cancel")
        cancel = await quiet.cancel_ms(ours, upstream, extent.cancels)
        _say("replay")
        replay = await quiet.replay_ms(ours, _REPLAYED_EVENTS, extent.replays)
    async with targets.headrace(upstream.port, workers=2) as ours:
        _say("loss of a worker")
        failover = await quiet.failover_ms(ours, extent.streams_at_failover)
    _say("memory")
    async with targets.headrace(upstream.port, gateways=2) as ours:
        idle_bytes = await idle.bytes_per_resumed_stream(ours, extent.idle_streams)
    async with targets.peer("bare_aiohttp", upstream.port) as bare:
        floor = await idle.bytes_per_bare_stream(bare, extent.idle_streams)
    return Quiet(
        pick_up_ms=pick_up,
        cancel=cancel,
        replay_ms=replay,
        failover=failover,
        idle_bytes=idle_bytes,
        idle_floor_bytes=floor,
    )


def _processor() -> str:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for name in _PEERS_PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    if "httptools" not in found:
        _say("httptools is not installed: uvicorn's peers are slower than they could be")
    return found


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


def main() -> None:
    """`python -m tests.bench`"""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[200, 1000], help="streams at once")
    parser.add_argument("--deltas", type=int, default=100, help="deltas of a stream")
    parser.add_argument("--rate", type=float, default=20, help="deltas a second of a stream")
    parser.add_argument("--dialects", action="store_true", help="ours in all its dialects as well")
    parser.add_argument("--rounds", type=int, help="how often systems are compared")
    parser.add_argument("--only", choices=_PARTS, nargs="+", help="measure these parts and nothing else")
    parser.add_argument("--rounds-only", action="store_true", help="the same as --only rounds")
    parser.add_argument("--against", type=Path, help="another checkout, set up, to compare in the rounds")
    parser.add_argument("--quick", action="store_true", help="small numbers: does it run?")
    chosen = parser.parse_args()
    sizes, load, extent = chosen.streams, Workload(chosen.deltas, chosen.rate), Extent()
    if chosen.quick:
        sizes, load, extent = [50], Workload(40, chosen.rate), _QUICK
    if chosen.rounds:
        extent = replace(extent, rounds=chosen.rounds)
    raise_file_limit()
    targets.install()
    try:
        results = uvloop.run(
            bench(
                sizes,
                load,
                extent,
                dialects=chosen.dialects,
                parts=["rounds"] if chosen.rounds_only else chosen.only or _PARTS,
                against=chosen.against,
            )
        )
    except Failed as error:
        sys.exit(f"bench: {error}")
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("bench: interrupted")
    _RESULTS.mkdir(exist_ok=True)
    report.write(results, _RESULTS)
    report.show(results)
    if results.runs:
        plot.draw(results.runs, _RESULTS / "bench.svg")
    _say(f"figures and plot are in {_RESULTS.name}/")


if __name__ == "__main__":
    main()
