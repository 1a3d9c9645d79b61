"""The nodes of `headrace up --cluster`: where each listens and keeps its data, the same at every start."""

import secrets
import socket
from contextlib import suppress
from pathlib import Path

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from deploy.up import cluster, ports
from deploy.up.options import CannotStart

_FOLDER = "cluster"
_PLAN = "nodes.json"
#: A primary that does not answer for so long is given up.
_NODE_TIMEOUT_MS = 2000
_PING_TIMEOUT_S = 1.0


class Plan(msgspec.Struct, frozen=True):
    """What was decided at the first start: nodes know each other by their ports."""

    primaries: int
    cells: int
    password: str
    #: Of each node its port and its bus's: primaries first, then a replica for each.
    ports: list[tuple[int, int]]

    @property
    def url(self) -> str:
        """What gateways and workers connect to."""
        return cluster.url([port for port, _ in self.ports], self.password)

    def command(self, data: Path, node: int) -> list[str]:
        """How to start a node."""
        folder = data / _FOLDER / str(node + 1)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        port, bus_port = self.ports[node]
        return cluster.command(
            folder, port, bus_port, node_timeout_ms=_NODE_TIMEOUT_MS, password=self.password
        )

    async def answers(self, node: int) -> bool:
        """Whether a node takes commands by now."""
        port, _ = self.ports[node]
        client = Redis(
            host="127.0.0.1",
            port=port,
            password=self.password,
            socket_timeout=_PING_TIMEOUT_S,
            socket_connect_timeout=_PING_TIMEOUT_S,
        )
        try:
            await client.ping()
        except (RedisError, OSError):
            return False
        finally:
            await client.aclose()
        return True

    def form(self) -> None:
        """Make them a cluster where they are none yet. Blocks. Raises `CannotForm`."""
        cluster.form(self.ports[: self.primaries], self.ports[self.primaries :], password=self.password)


def planned(data: Path, primaries: int, cells: int | None) -> Plan:
    """
    The plan of the cluster in *data*, made now where there is none. Raises `CannotStart` where what is
    there is another, or one broker's.
    """
    path = data / _FOLDER / _PLAN
    if path.exists():
        plan = _read(path)
        if plan.primaries != primaries:
            raise CannotStart(f"{data} holds a cluster of {plan.primaries}: give --cluster {plan.primaries}")
        if cells not in {None, plan.cells}:
            raise CannotStart(f"HEADRACE_CELLS: the data in {data} is in {plan.cells}")
        return plan
    if (data / "appendonlydir").exists():
        raise CannotStart(
            f"{data} holds one broker's data: choose another folder with --data (`headrace move` copies "
            "from one broker to another, where both run without gateways and workers)"
        )
    taken: set[int] = set()
    while len(taken) < 4 * primaries:
        taken.add(ports.free("127.0.0.1"))
    numbers = sorted(taken)
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    plan = Plan(primaries, cells or cluster.cells(primaries), secrets.token_hex(16), pairs)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.touch(mode=0o600)
    partial.write_bytes(msgspec.json.encode(plan))
    partial.replace(path)
    return plan


def running(data: Path) -> Plan | None:
    """The plan of the cluster in *data* whose nodes listen by now."""
    path = data / _FOLDER / _PLAN
    if not path.exists():
        return None
    plan = _read(path)
    for port, _ in plan.ports:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), _PING_TIMEOUT_S):
            return plan
    return None


def _read(path: Path) -> Plan:
    return msgspec.json.decode(path.read_bytes(), type=Plan)


def is_there(data: Path) -> bool:
    """Whether *data* is a cluster's."""
    return (data / _FOLDER / _PLAN).exists()
