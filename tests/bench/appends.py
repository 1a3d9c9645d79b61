"""
`python -m tests.bench.appends`: what the broker's CPU an append is, by how many events share it, beside what
it would be without the checks. One event of each of so many generations, one append after another, on a
Valkey of its own.
"""

import argparse
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
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
from tests.kit.broker import EmbeddedBroker

_EVENT = b'{"type":"text","ts":1795000000000,"text":" something","tokens":1}'
_TICKS = os.sysconf("SC_CLK_TCK")
#: Commands of one append, number n, for so many generations.
Commands = Callable[[int, int], Iterator[tuple[object, ...]]]


class _Rig:
    """A broker, and one connection to it on which one append is under way at a time."""

    def __init__(self, cells: int) -> None:
        self._broker = EmbeddedBroker()
        self._broker.start()
        client: Any = self._broker.client()
        self._pid = int(client.info("server")["process_id"])
        self.ours = Broker(Settings(redis_url=self._broker.url(), cells=cells))
        self.cell: Cell = next(iter(self.ours.cells))
        self._packer: Any = Connection()  # type: ignore[no-untyped-call]
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(self._broker.socket))
        self._client = client

    def close(self) -> None:
        self._socket.close()
        self._broker.remove()

    def begin(self, size: int) -> None:
        self._client.flushall()
        for i in range(size):
            record = self.cell.key(keys.RECORD, f"g{i}")
            self._client.hset(record, mapping={"lease": "1:a", "state": "running", "queue": "q"})
            self._client.xadd(self.cell.key(keys.LOG, f"g{i}"), {"e": b"{}"}, id="1-0")

    def cpu_us(self, commands: Commands, size: int, seconds: float) -> float:
        """Of one append."""
        self.begin(size)
        until, n, before = time.monotonic() + seconds, 0, 0.0
        reader = hiredis.Reader()
        while time.monotonic() < until:
            n += 1
            if n == 50:
                before = self._cpu_s()
            packed, count = [], 0
            for command in commands(n, size):
                packed += self._packer.pack_command(*command)
                count += 1
            self._socket.sendall(b"".join(packed))
            while count:
                reader.feed(self._socket.recv(65536))
                while count and (answer := reader.gets()) is not False:
                    assert not isinstance(answer, Exception), answer
                    count -= 1
        return (self._cpu_s() - before) / (n - 50) * 1e6

    def _cpu_s(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


def _ours(rig: _Rig) -> Commands:
    def commands(n: int, size: int) -> Iterator[tuple[object, ...]]:
        batches = [Batch(f"g{i}", "1:a", n, [Entry(Position(1, n), _EVENT)]) for i in range(size)]
        for part in parts_of(batches, rig.ours.cells):
            yield rig.ours.step(part.step, part.cell, part.args, whole=n == 1)

    return commands


def _plain(rig: _Rig, *, together: bool) -> Commands:
    def commands(n: int, size: int) -> Iterator[tuple[object, ...]]:
        if together:
            yield ("MULTI",)
        for i in range(size):
            yield "XADD", rig.cell.key(keys.LOG, f"g{i}"), "NOMKSTREAM", f"1-{n}", "e", _EVENT
            yield "PUBLISH", rig.cell.key(keys.LIVE, f"g{i}"), b"1-%d %b" % (n, _EVENT)
        if together:
            yield ("EXEC",)

    return commands


def main() -> None:
    """Prints a table: rounds in turn, the least of each, for whatever else runs only adds."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.appends", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    one, many = _Rig(1), _Rig(8)
    variants = {
        "append.lua": (one, _ours(one)),
        "append.lua, eight cells": (many, _ours(many)),
        "XADD, PUBLISH in MULTI": (one, _plain(one, together=True)),
        "XADD, PUBLISH": (one, _plain(one, together=False)),
    }
    try:
        found: dict[tuple[str, int], float] = {}
        for _ in range(options.rounds):
            cases = [(name, size) for name in variants for size in options.sizes]
            random.shuffle(cases)
            for name, size in cases:
                rig, commands = variants[name]
                us = rig.cpu_us(commands, size, options.seconds)
                found[name, size] = min(us, found.get((name, size), us))
        print("| broker's CPU, µs an append (an event) of | " + " | ".join(map(str, options.sizes)) + " |")
        print("| --- |" + " ---: |" * len(options.sizes))
        for name in variants:
            cells = [f"{found[name, size]:.1f} ({found[name, size] / size:.1f})" for size in options.sizes]
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    finally:
        one.close()
        many.close()


if __name__ == "__main__":
    main()
