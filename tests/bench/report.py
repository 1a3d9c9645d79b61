"""What the bench leaves behind: tables on the terminal, the same for a README, and all figures as JSON."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tests.bench import rounds, short
from tests.bench.capacity import MOST_DELAY_MS
from tests.bench.figures import Quiet, Results, Run, Verdict
from tests.bench.rounds import Range, Round
from tests.bench.targets import DIRECT, FASTAPI, OURS

_ROLES = ("gateway", "worker", "broker", "supervisor")
_SYSTEMS = [
    "system",
    "N",
    "CPU us/delta",
    f"of {FASTAPI}",
    "delay p50",
    "p99",
    "added TTFT p50",
    "p99",
    "lost",
    "RSS MB",
]

_ROUNDS = [
    "system",
    "CPU us/delta",
    f"of {FASTAPI}",
    "of native",
    *_ROLES,
    "upstream",
    "delay p99",
    "lost",
]

Rows = Sequence[Sequence[str]]


def show(results: Results) -> None:
    """Print everything."""
    # Piped, rich would fold everything into 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 130)
    console.print(
        f"[bold]{results.machine['cpus']} x {results.machine['processor']}, {results.machine['system']}[/]"
    )
    for title, header, rows in _tables(results):
        table = Table(*header, title=title, title_justify="left")
        for column in table.columns[1:]:
            column.justify = "right"
        for row in rows:
            table.add_row(*row, style="red" if row[-1] == "missed" else None)
        console.print(table)


def write(results: Results, folder: Path) -> None:
    """Leave `bench.json`, and `bench.md` with the tables."""
    json = msgspec.json.format(msgspec.json.encode(results), indent=2)
    (folder / "bench.json").write_bytes(json)
    (folder / "bench.md").write_text("\n".join(_markdown(*table) for table in _tables(results)))


def _tables(results: Results) -> list[tuple[str, Sequence[str], Rows]]:
    tables: list[tuple[str, Sequence[str], Rows]] = [
        ("Every system under the same streams; delays in ms", _SYSTEMS, _systems(results)),
        ("CPU of ours by process, us a delta", ["N", *_ROLES, "upstream", "client"], _roles(results.runs)),
    ]
    if not results.runs:
        tables.clear()
    if played := results.rounds:
        title = (
            f"Beside each other, {len(played)} rounds of {played[0][OURS].streams} streams: "
            "median (least-most)"
        )
        tables.append((title, _ROUNDS, _rounds(played)))
    if results.quiet is not None:
        tables.append(("Ours on a quiet system", ["what", "p50", "p99", "worst"], _quiet(results.quiet)))
    if results.capacity:
        title = f"The most streams at once with delay p99 <= {MOST_DELAY_MS:.0f} ms and nothing lost"
        tables.append((title, ["system", "N", f"of {FASTAPI}"], _capacity(results.capacity)))
    if results.short:
        asked = [short.name_of(n, whole=whole) for n in short.LENGTHS for whole in (False, True)]
        rows = [
            [name, *(f"{rates[what]:.0f}" if what in rates else "" for what in asked)]
            for name, rates in results.short.items()
        ]
        title = "Short answers, ten at once: requests a second by tokens"
        tables.append((title, ["system", *asked], rows))
    if results.verdicts:
        tables.append(("Budgets", ["what", "measured", "budget", "verdict"], _verdicts(results.verdicts)))
    return tables


def _systems(results: Results) -> Rows:
    known = {(run.system, run.streams): run for run in results.runs}
    # A share of what ran minutes apart says little; where rounds tell it, it is left to them.
    compared = {run.streams for played in results.rounds for run in played.values()}
    rows = []
    for run in results.runs:
        direct, peer = known.get((DIRECT, run.streams)), known.get((FASTAPI, run.streams))
        alone = run.system == DIRECT
        rows.append(
            [
                run.system,
                str(run.streams),
                "" if alone else f"{run.cpu:.1f}",
                f"{run.cpu / peer.cpu:.2f}" if peer and not alone and run.streams not in compared else "",
                f"{run.delay_ms.p50:.2f}",
                f"{run.delay_ms.p99:.2f}",
                f"{run.ttft_ms.p50 - direct.ttft_ms.p50:.1f}" if direct and not alone else "",
                f"{run.ttft_ms.p99 - direct.ttft_ms.p99:.1f}" if direct and not alone else "",
                str(run.lost),
                "" if alone else f"{sum(run.rss_bytes.values()) / 1e6:.0f}",
            ]
        )
    return rows


def _capacity(found: Mapping[str, int]) -> Rows:
    peer = found.get(FASTAPI)
    return [[name, str(most), f"{most / peer:.2f}" if peer else ""] for name, most in found.items()]


def _roles(runs: Sequence[Run]) -> Rows:
    return [
        [
            str(run.streams),
            *(f"{run.cpu_us_per_delta.get(role, 0):.1f}" for role in _ROLES),
            f"{run.upstream_us_per_delta:.1f}",
            f"{run.client_us_per_delta:.1f}",
        ]
        for run in runs
        if run.system == OURS
    ]


def _rounds(played: Sequence[Round]) -> Rows:
    values: list[Callable[[Run], float]] = [
        *(_cpu_of(role) for role in _ROLES),
        lambda run: run.upstream_us_per_delta,
        lambda run: run.delay_ms.p99,
    ]

    def value_of(system: str, value: Callable[[Run], float]) -> float:
        return rounds.figure(played, system, value).median

    return [
        [
            system,
            _range(rounds.figure(played, system, lambda run: run.cpu), 0),
            "" if system == FASTAPI else _range(rounds.share(played, system, FASTAPI), 2),
            "" if system in {FASTAPI, OURS} else _range(rounds.share(played, system, OURS), 2),
            *(f"{median:.1f}" if (median := value_of(system, value)) else "" for value in values),
            str(sum(each[system].lost for each in played)),
        ]
        for system in sorted(played[0])
    ]


def _cpu_of(role: str) -> Callable[[Run], float]:
    return lambda run: run.cpu_us_per_delta.get(role, 0)


def _range(found: Range, digits: int) -> str:
    return f"{found.median:.{digits}f} ({found.least:.{digits}f}-{found.most:.{digits}f})"


def _quiet(quiet: Quiet) -> Rows:
    spreads = {
        "job pick-up (request to upstream's request), ms": quiet.pick_up_ms,
        "cancel to upstream closed, ms": quiet.cancel.closed_ms,
        "cancel to receipt, ms": quiet.cancel.receipt_ms,
        "replay of 10,000 events, ms": quiet.replay_ms,
        f"worker SIGKILL to next chunk ({quiet.failover.struck} streams), ms": quiet.failover.silence_ms,
    }
    rows = [[what, f"{s.p50:.1f}", f"{s.p99:.1f}", f"{s.worst:.1f}"] for what, s in spreads.items()]
    rows.append(["memory per open idle stream, KB", f"{quiet.idle_bytes / 1000:.1f}", "", ""])
    rows.append(["the same of aiohttp alone, KB", f"{quiet.idle_floor_bytes / 1000:.1f}", "", ""])
    return rows


def _verdicts(verdicts: Sequence[Verdict]) -> Rows:
    return [
        [v.what, f"{v.measured:.3g} {v.unit}", f"<= {v.budget:g} {v.unit}", "met" if v.met else "missed"]
        for v in verdicts
    ]


def _markdown(title: str, header: Sequence[str], rows: Rows) -> str:
    lines = [
        f"{title}:",
        "",
        "| " + " | ".join(header) + " |",
        "| --- " + "| ---: " * (len(header) - 1) + "|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, ""])
