"""`python -m tests.chaos --minutes 10`: random faults under load, and a table of what came of it."""

import argparse
import asyncio
import random
import sys

from rich import box
from rich.console import Console
from rich.table import Table

from tests.chaos.cluster_faults import CLUSTER_FAULTS
from tests.chaos.crowd import p99
from tests.chaos.stage import Stage
from tests.chaos.storm import Account, Storm


async def _storm(seed: int, seconds: float, streams: int, *, cluster: bool) -> Account:
    if cluster:
        # A replica must have what was accepted, or a primary that is killed may take with it what no
        # worker has.
        async with Stage(
            gateways=2, workers=3, cells=32, min_replicas=1, max_attempts=20, heartbeat_s=2
        ) as stage:
            return await Storm(seed, seconds, streams, CLUSTER_FAULTS).run(stage)
    async with Stage(gateways=2, workers=3, max_attempts=20, heartbeat_s=2) as stage:
        return await Storm(seed, seconds, streams).run(stage)


def _table(account: Account) -> Table:
    table = Table(box=box.MARKDOWN)
    table.add_column("what")
    table.add_column("count", justify="right")
    for name, count in sorted(account.faults.items()):
        table.add_row(name, str(count))
    for name, count in sorted(account.outcomes.items()):
        table.add_row(f"generations that ended with `{name}`", str(count))
    silences = account.silences or [0.0]
    rows = {
        "generations": account.generations,
        "events read": account.events,
        "generations that another worker took over": account.taken_over,
        "`reset`s": account.resets,
        "connections that broke, and were resumed": account.breaks,
        "requests refused for the moment": account.refusals,
        "longest silence in an answer, median, s": f"{silences[len(silences) // 2]:.2f}",
        "longest silence in an answer, p99, s": f"{p99(silences):.2f}",
        "things wrong": len(account.wrong),
    }
    for name, value in rows.items():
        table.add_row(name, str(value))
    return table


def main() -> None:
    """Exits with 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--streams", type=int, default=40, help="readers at a time")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--cluster", action="store_true", help="over three primaries with a replica each")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    account = asyncio.run(
        _storm(options.seed, options.minutes * 60, options.streams, cluster=options.cluster)
    )
    Console(width=100).print(_table(account))
    for fault in account.wrong[:50]:
        print(fault)
    sys.exit(bool(account.wrong))


if __name__ == "__main__":
    main()
