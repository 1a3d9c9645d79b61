"""
A cluster as `headrace up --cluster` makes one, whose nodes a test may break, add and move slots
between.
"""

import asyncio
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from signal import Signals
from typing import Any

import redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from deploy.up import cluster
from shared import keys
from shared.cells import Cell, Cells
from tests.kit.broker import EmbeddedBroker
from tests.kit.cells_view import CellsView
from tests.kit.program import free_port

#: A primary that does not answer for so long is given up, and its replica takes over.
NODE_TIMEOUT_MS = 1000
#: For so long a look at many keys goes by where slots were: what has moved refuses, and is asked anew.
_KNOWN_FOR_S = 2.0

#: Of each range of slots its first, its last and the port of its primary.
Owners = list[tuple[int, int, int]]


class EmbeddedCluster(EmbeddedBroker):
    """Used like the one broker of other tests. A database is a whole cluster: there is only one."""

    def __init__(
        self,
        primaries: int = 3,
        *,
        cells: int = 16,
        replicas: bool = True,
        node_timeout_ms: int = NODE_TIMEOUT_MS,
    ) -> None:
        self._node_timeout_ms = node_timeout_ms
        self._folder = Path(tempfile.mkdtemp(prefix="headrace-cluster-"))
        self.cells = Cells(cells)
        self.settings = {"cells": cells}
        self._nodes: dict[int, subprocess.Popen[bytes]] = {}
        self._buses: dict[int, int] = {}
        self._known: dict[int, redis.Redis] = {}
        self._paused: set[int] = set()
        self._seen: tuple[float, list[int], Owners] = 0.0, [], []
        self._sizes = primaries, primaries if replicas else 0

    def url(self, database: int = 0) -> str:
        """What settings call `redis_url`."""
        return cluster.url(sorted(self._nodes))

    def client(self, database: int = 0) -> Any:
        """Looks at all of it from a test."""
        return CellsView(
            self.cells,
            lambda slot: self.node(_at(slot, self._seen_owners())),
            lambda: [self.node(port) for port in self.primaries()],
        )

    def start(self) -> None:
        """Returns once all slots are served, and every replica follows."""
        ports = [self.serve() for _ in range(sum(self._sizes))]
        nodes = [(port, self._buses[port]) for port in ports]
        cluster.form(nodes[: self._sizes[0]], nodes[self._sizes[0] :])

    def serve(self, port: int | None = None) -> int:
        """One more node, or one again that had ended; gives its port."""
        if port is None:
            port = free_port()
            self._buses[port] = free_port()
            (self._folder / str(port)).mkdir()
        data = self._folder / str(port)
        with (data / "log").open("ab") as log:
            self._nodes[port] = subprocess.Popen(
                cluster.command(data, port, self._buses[port], node_timeout_ms=self._node_timeout_ms),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        cluster.until(lambda: bool(self.node(port).ping()), "a node answers")
        return port

    def join(self) -> int:
        """One more primary, without slots yet; gives its port."""
        port = self.serve()
        cluster.introduce(self.node(self._any(port)), [(port, self._buses[port])])
        cluster.until(
            lambda: all(self._knows(other, port) for other in self.alive()), "everybody knows the new node"
        )
        # For its first seconds it refuses whatever comes.
        cluster.until(lambda: cluster.is_well(self.node(port)), "the new node serves")
        return port

    def node(self, port: int) -> redis.Redis:
        """A client of one node."""
        if port not in self._known:
            self._known[port] = redis.Redis(port=port, socket_timeout=5)
        return self._known[port]

    def say(self, port: int, *command: Any) -> Any:
        """A command to one node."""
        return self.node(port).execute_command(*command)  # type: ignore[no-untyped-call]

    def send(self, port: int, signum: Signals) -> None:
        """SIGKILL, SIGSTOP, SIGCONT, …; one that was killed can be served again."""
        self._nodes[port].send_signal(signum)
        if signum == signal.SIGKILL:
            self._nodes.pop(port).wait(10)
        elif signum == signal.SIGSTOP:
            self._paused.add(port)
        elif signum == signal.SIGCONT:
            self._paused.discard(port)

    def alive(self) -> list[int]:
        """The ports of all nodes that run, and answer."""
        return sorted(self._nodes.keys() - self._paused)

    def primary(self, cell: Cell) -> int:
        """The port of the cell's primary, as the nodes that answer have it."""
        return self.owner(key_slot(cell.key(keys.CLOCK).encode()))

    def homes(self) -> dict[Cell, int]:
        """The port of each cell's primary, asked for once: that takes its time."""
        owners = self._owners()
        slots = {cell: key_slot(cell.key(keys.CLOCK).encode()) for cell in self.cells}
        return {cell: _at(slot, owners) for cell, slot in slots.items()}

    def primaries(self) -> list[int]:
        """The ports of all that have slots."""
        return sorted({port for _, _, port in self._owners()})

    def owner(self, slot: int) -> int:
        """The port of the primary that a slot is on."""
        return _at(slot, self._owners())

    def move(self, slot: int, to: int) -> None:
        """Move a slot, in one atomic step as Valkey 9 does. Returns once it is there."""
        source = self.owner(slot)
        if source == to:
            return
        name = self.say(to, "CLUSTER", "MYID").decode()
        migrate = "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", name
        self.say(source, *migrate)

        def has_moved() -> bool:
            if self.owner(slot) == to:
                return True
            # What a busy machine was too slow for is given up by the nodes, and nobody else begins it again.
            newest = self.say(source, "CLUSTER", "GETSLOTMIGRATIONS")[0]
            if dict(zip(newest[::2], newest[1::2], strict=True))[b"state"] in {b"failed", b"cancelled"}:
                self.say(source, *migrate)
            return False

        cluster.until(has_moved, "a slot has moved")

    def whole(self) -> None:
        """
        Returns once every slot has a primary, and every other node follows one; as all of them see it, for
        one that has been away takes itself for what it was.
        """

        def holds() -> bool:
            views = [self._view(port) for port in self.alive()]
            return views.count(views[0]) == len(views) and not any(
                "fail" in flag for _, _, flags in views[0] for flag in flags
            )

        cluster.until(
            lambda: holds() and all(cluster.is_well(self.node(port)) for port in self.alive()),
            "the cluster is whole",
        )

    def copied(self) -> None:
        """Returns once every replica has what its primary had when this began."""
        found = {port: self._replication(port) for port in self.primaries()}
        offsets = {port: int(info["master_repl_offset"]) for port, info in found.items()}
        cluster.until(
            lambda: all(self._replicas_at(port) >= offset for port, offset in offsets.items()),
            "replicas have what was written",
        )

    async def promoted(self, old: int, cell: Cell) -> float:
        """Once another node than *old* is the cell's primary: the monotonic time of that."""

        def wait() -> float:
            cluster.until(lambda: self.primary(cell) != old, "a replica is promoted")
            return time.monotonic()

        # In a thread: asking all nodes again and again is no silence of what a test reads meanwhile.
        return await asyncio.to_thread(wait)

    def remove(self) -> None:
        """End all of it, and leave nothing behind."""
        for client in self._known.values():
            client.close()
        for node in self._nodes.values():
            node.kill()
            node.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def stop(self, signum: Signals = signal.SIGTERM) -> None:
        """As `remove`: it has no one process to be started again."""
        self.remove()

    def _any(self, but: int) -> int:
        return next(port for port in self.alive() if port != but)

    def _knows(self, port: int, other: int) -> bool:
        nodes: dict[str, Any] = self.say(port, "CLUSTER NODES")
        return any(address.endswith(f":{other}") for address in nodes)

    def _view(self, port: int) -> list[tuple[str, list[list[str]], list[str]]]:
        """What a node holds of all: their addresses, slots, and whether they are primaries or have failed."""
        nodes: dict[str, Any] = self.say(port, "CLUSTER NODES")
        return sorted(
            (address, node["slots"], [f for f in node["flags"].split(",") if f != "myself"])
            for address, node in nodes.items()
        )

    def _replication(self, port: int) -> dict[str, Any]:
        info: Any = self.node(port).info("replication")
        return dict(info)

    def _replicas_at(self, primary: int) -> int:
        """The offset that all replicas of *primary* have reached; 0 where it has none."""
        found = self._replication(primary)
        return min(
            (
                int(each["offset"])
                for name, each in found.items()
                if name[:5] == "slave" and name[5:].isdigit()
            ),
            default=0,
        )

    def _seen_owners(self) -> Owners:
        """The same as of a moment ago, where the same nodes answer: to ask them all takes its time."""
        alive = self.alive()
        if time.monotonic() - self._seen[0] > _KNOWN_FOR_S or alive != self._seen[1]:
            owners = self._owners()
            self._seen = time.monotonic(), alive, owners
        return self._seen[2]

    def _owners(self) -> Owners:
        """By the newest epoch."""
        found: Owners = []
        newest = -1
        for port in self.alive():
            try:
                nodes: dict[str, Any] = self.say(port, "CLUSTER NODES")
            except RedisError:
                continue
            epoch = max(int(node["epoch"]) for node in nodes.values())
            if epoch > newest:
                newest = epoch
                found = [
                    (int(r[0]), int(r[-1]), int(address.rpartition(":")[2]))
                    for address, node in nodes.items()
                    for r in node["slots"]
                ]
        return found


def _at(slot: int, owners: Owners) -> int:
    return next(port for first, last, port in owners if first <= slot <= last)


class Clusters(EmbeddedBroker):
    """The one broker of all tests, as a cluster: what is a database there is a cluster of its own here."""

    def __init__(self, cells: int = 16) -> None:
        self.settings = {"cells": cells}
        self._clusters: dict[int, EmbeddedCluster] = {}
        self._cells = cells

    def url(self, database: int = 0) -> str:
        """What settings call `redis_url`."""
        return self._cluster(database).url()

    def client(self, database: int = 0) -> Any:
        """Looks at all of it from a test."""
        return self._cluster(database).client()

    def start(self) -> None:
        """Each is started when it is first asked for."""

    def remove(self) -> None:
        """End all of them, and leave nothing behind."""
        for each in self._clusters.values():
            each.remove()

    def _cluster(self, database: int) -> EmbeddedCluster:
        if database not in self._clusters:
            self._clusters[database] = EmbeddedCluster(cells=self._cells, replicas=False)
            self._clusters[database].start()
        return self._clusters[database]
