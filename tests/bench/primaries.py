"""
`python -m tests.bench.primaries`: how many events a second one, two and four primaries take, by their CPU.

The same appends to the same cells, spread over so many primaries; a core for each is thought of, as this
machine may have fewer: the busiest of them says how many events they take together. About a minute.
"""

import argparse
import itertools
import os
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hiredis
from redis.connection import Connection

from shared import keys
from shared.broker import Broker
from shared.cells import Cell
from shared.event_log import Batch, Entry, parts_of
from shared.position import Position
from shared.settings import Settings
from tests.kit.cluster import EmbeddedCluster

_CELLS = 32
_EVENT = b'{"type":"text","ts":1795000000000,"text":" something","tokens":1}'
_TICKS = os.sysconf("SC_CLK_TCK")
#: Appends that are not counted: the scripts are loaded by them.
_WARM_UP = 50


class _Rig:
    """A cluster, and one connection to each primary; one append to each is under way at a time."""

    def __init__(self, primaries: int, generations: int) -> None:
        self._cluster = EmbeddedCluster(primaries, cells=_CELLS, replicas=False)
        self._cluster.start()
        self.ours = Broker(Settings(redis_url=self._cluster.url(), cells=_CELLS))
        self._homes = {cell.number: port for cell, port in self._cluster.homes().items()}
        self._lines = {port: socket.create_connection(("127.0.0.1", port)) for port in self._homes.values()}
        self._packer: Any = Connection()  # type: ignore[no-untyped-call]
        client: Any = self._cluster.client()
        self._pids = {
            port: int(self._cluster.node(port).info("server")["process_id"])  # type: ignore[index]
            for port in self._lines
        }
        cells = list(self.ours.cells)
        self.ids = [f"gen_{cells[i % _CELLS].number:02x}{i:030x}" for i in range(generations)]
        for name in self.ids:
            client.hset(keys.RECORD + name, mapping={"lease": "1:a", "state": "running", "queue": "q"})
            client.xadd(keys.LOG + name, {"e": b"{}"}, id="1-0")

    def close(self) -> None:
        for line in self._lines.values():
            line.close()
        self._cluster.remove()

    def cpu_us(self, size: int, seconds: float) -> float:
        """What the busiest primary takes for an event of all, where *size* generations are in an append."""
        dice, seqs = random.Random(1), dict.fromkeys(self.ids, 0)
        until, events, before = time.monotonic() + seconds, 0, dict.fromkeys(self._pids, 0.0)
        for n in itertools.count(1):
            if time.monotonic() > until:
                break
            if n == _WARM_UP:
                before, events = self._cpu_s(), 0
            # All of them at first, or a primary may not know the script when it is counted.
            chosen = self.ids if n == 1 else dice.sample(self.ids, size)
            batches = []
            for name in chosen:
                seqs[name] += 1
                batches.append(Batch(name, "1:a", seqs[name], [Entry(Position(1, seqs[name]), _EVENT)]))
            self._append(batches, whole=n == 1)
            events += len(chosen)
        after = self._cpu_s()
        return max(after[port] - before[port] for port in after) / events * 1e6

    def _append(self, batches: list[Batch], *, whole: bool) -> None:
        sent: dict[int, list[bytes]] = {}
        asked: dict[int, int] = {}
        for part in parts_of(batches, self.ours.cells):
            home = self._home(part.cell)
            command = self.ours.step(part.step, part.cell, part.args, whole=whole)
            sent.setdefault(home, []).extend(self._packer.pack_command(*command))
            asked[home] = asked.get(home, 0) + 1
        for home, packed in sent.items():
            self._lines[home].sendall(b"".join(packed))
        for home, count in asked.items():
            for answer in self._answers(home, count):
                assert not isinstance(answer, Exception), answer

    def _answers(self, home: int, count: int) -> Iterator[Any]:
        reader = hiredis.Reader()
        while count:
            reader.feed(self._lines[home].recv(65536))
            while count and (answer := reader.gets()) is not False:
                count -= 1
                yield answer

    def _home(self, cell: Cell) -> int:
        return self._homes[cell.number]

    def _cpu_s(self) -> dict[int, float]:
        found = {}
        for port, pid in self._pids.items():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            found[port] = (int(fields[11]) + int(fields[12])) / _TICKS
        return found


def main() -> None:
    """Prints a table: rounds in turn, the least of each, for whatever else runs only adds."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.primaries", description=__doc__)
    parser.add_argument("--primaries", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--generations", type=int, default=200, help="that are being answered")
    parser.add_argument("--size", type=int, default=32, help="generations in one append")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found: dict[int, float] = {}
    for _ in range(options.rounds):
        for primaries in options.primaries:
            rig = _Rig(primaries, options.generations)
            try:
                us = rig.cpu_us(options.size, options.seconds)
            finally:
                rig.close()
            found[primaries] = min(us, found.get(primaries, us))
    print("| primaries | the busiest's CPU, µs an event of all | events a second, a core each | of one |")
    print("| --- |" + " ---: |" * 3)
    for primaries, us in found.items():
        of_one = found[options.primaries[0]] / us
        print(f"| {primaries} | {us:.1f} | {1e6 / us:,.0f} | {of_one:.2f} |")


if __name__ == "__main__":
    main()
