"""
Where each cell's primary is in a Valkey or Redis Cluster, asked for all the time: everybody follows a
failover, a slot that moves, a node that is added. A primary that hangs never says that it is none any more.

An address is `redis+cluster://[user:password@]host:port,…`, with `rediss+` for TLS. Of two nodes that name
different primaries, the one with the greater config epoch is right, as among the nodes themselves.
https://valkey.io/topics/cluster-spec/
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit
from weakref import WeakSet

import structlog
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.cluster import ClusterParser
from redis.crc import key_slot
from redis.exceptions import MovedError, RedisError

from shared import keys, redis_private
from shared.cells import Cell
from shared.errors import BrokerUnavailable

Address = tuple[str, int]
#: The primary, where there is one alone.
ONLY: Address = ("", 0)

_SCHEMES = {"redis+cluster": Connection, "rediss+cluster": SSLConnection}
_DEFAULT_PORT = 6379
#: A node that does not answer is passed over for the next.
_ANSWER_WITHIN_S = 0.5
#: How often one is asked where the primaries are.
_LOOK_S = 0.25

logger = structlog.get_logger("shared.cluster")


class Cluster:
    """The nodes that one URL leads to, and all connections that must follow what they say."""

    def __init__(self, url: str, cells: Iterable[Cell]) -> None:
        """Raises `ValueError` when *url* names no nodes."""
        parts = urlsplit(url)
        nodes = [_address(host) for host in parts.netloc.rpartition("@")[2].split(",") if host]
        if not nodes or parts.path.strip("/") or parts.query:
            raise ValueError("HEADRACE_REDIS_URL: it should look like redis+cluster://host:port,host:port")
        slots = sorted(((key_slot(cell.key(keys.CLOCK).encode()), cell) for cell in cells), key=_slot)
        self._slots, self._cells = [slot for slot, _ in slots], [cell for _, cell in slots]
        self._by_name = parts.scheme.startswith("rediss")
        self._options: dict[str, Any] = {
            "connection_class": _SCHEMES[parts.scheme],
            # Without it MOVED and the like are errors among others.
            "parser_class": ClusterParser,
        }
        if parts.username:
            self._options["username"] = unquote(parts.username)
        if parts.password:
            self._options["password"] = unquote(parts.password)
        #: Whom to ask, the next first.
        self._nodes: dict[Address, None] = dict.fromkeys(nodes)
        self._asking: dict[Address, Redis] = {}
        #: Each cell's primary, and the config epoch in which it became that.
        self._homes: dict[Cell, tuple[Address, int]] = {}
        self._connections: defaultdict[Address, WeakSet[Any]] = defaultdict(WeakSet)
        self._moved: list[Callable[[], None]] = []
        self._looking: asyncio.Task[None] | None = None
        #: Why none answered, as was said last.
        self._silence = ""
        self._lock = asyncio.Lock()

    def primary(self, cell: Cell) -> Address:
        """Where *cell* is now. Raises `BrokerUnavailable` while that is not known."""
        home = self._homes.get(cell)
        if home is None:
            raise BrokerUnavailable("No node of the cluster has said where its data is.", retry_after_s=1)
        return home[0]

    def pool(self, address: Address, **options: Any) -> BlockingConnectionPool:
        """A pool of connections to that node."""
        host, port = address
        return _Pool(self._connections[address], host=host, port=port, **self._options, **options)

    def on_move(self, call: Callable[[], None]) -> None:
        """Call that whenever a cell has another primary."""
        self._moved.append(call)

    async def known(self) -> None:
        """Returns once a node has answered; from then on they are asked all the time. Raises as `look`."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_for_ever())
        if len(self._homes) < len(self._slots):
            await self.look()

    async def look(self) -> None:
        """Ask until a node answers. Raises `BrokerUnavailable` where none does."""
        async with self._lock:
            last: Exception | None = None
            for address in list(self._nodes):
                try:
                    # Not redis-py's own time-out: see `Broker.watch`.
                    async with asyncio.timeout(_ANSWER_WITHIN_S):
                        nodes = await self._client(address).execute_command("CLUSTER NODES")  # type: ignore[no-untyped-call]
                except (RedisError, OSError) as error:
                    last = error
                    # It is asked last from now on.
                    self._nodes[address] = self._nodes.pop(address)
                else:
                    self._silence = ""
                    self._take(address, nodes)
                    return
            self._say(last)
            raise BrokerUnavailable("No node of the cluster answers.", retry_after_s=1) from last

    def _say(self, last: Exception | None) -> None:
        """Tell the operator, once for each reason: a wrong password looks like absence to all others."""
        why = f"{type(last).__name__}: {last}".removesuffix(": ")
        if why != self._silence:
            self._silence = why
            logger.warning("no node of the cluster answers", nodes=len(self._nodes), error=why)

    def redirected(self, cell: Cell, error: MovedError) -> None:
        """A node has said that *cell* is elsewhere; where it does not say where, the next look will."""
        host, port = error.node_addr
        if host:
            _, epoch = self._homes.get(cell, (None, 0))
            self._settle({cell: ((host, port), epoch)})

    async def close(self) -> None:
        """Ask no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
            if not self._looking.cancelled():
                self._looking.result()
        for client in self._asking.values():
            await client.aclose()

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            with suppress(BrokerUnavailable):
                await self.look()

    def _client(self, address: Address) -> Redis:
        client = self._asking.get(address)
        if client is None:
            host, port = address
            timeouts: dict[str, Any] = {"socket_connect_timeout": _ANSWER_WITHIN_S}
            pool = BlockingConnectionPool(
                host=host, port=port, max_connections=1, **timeouts, **self._options
            )
            client = self._asking[address] = Redis.from_pool(pool)
        return client

    def _take(self, asked: Address, nodes: dict[str, dict[str, Any]]) -> None:
        """What one of them said of all."""
        found: dict[Cell, tuple[Address, int]] = {}
        for written, node in nodes.items():
            address = self._reached(written, node, asked)
            if not {"noaddr", "handshake"} & {*node["flags"].split(",")}:
                self._nodes.setdefault(address)
            for slots in node["slots"]:
                first, last = (
                    bisect_left(self._slots, int(slots[0])),
                    bisect_right(self._slots, int(slots[-1])),
                )
                for cell in self._cells[first:last]:
                    found[cell] = (address, int(node["epoch"]))
        self._settle(
            {cell: home for cell, home in found.items() if home[1] >= self._homes.get(cell, home)[1]}
        )

    def _settle(self, homes: dict[Cell, tuple[Address, int]]) -> None:
        before = {cell: address for cell, (address, _) in self._homes.items()}
        self._homes |= homes
        moved = [cell for cell, (address, _) in homes.items() if before.get(cell, address) != address]
        if moved:
            to = sorted({named(homes[cell][0]) for cell in moved})
            logger.info("cells have another primary", cells=len(moved), nodes=to)
        present = {address for address, _ in self._homes.values()}
        for left in {*before.values()} - present:
            # It may hang, and never say that it is no primary.
            for connection in list(self._connections[left]):
                redis_private.abort(connection)
        if moved or len(before) < len(self._homes):
            for call in self._moved:
                call()

    def _reached(self, written: str, node: dict[str, Any], asked: Address) -> Address:
        host, _, port = written.rpartition(":")
        if self._by_name and node["hostname"]:
            host = node["hostname"]
        # A node that nobody has met yet does not know its own address.
        return host or asked[0], int(port)


class _Pool(BlockingConnectionPool):
    """Remembers what it opens."""

    def __init__(self, opened: "WeakSet[Any]", **options: Any) -> None:
        super().__init__(**options)
        self._opened = opened

    def make_connection(self) -> Any:
        """One more, which is broken once its node is no primary."""
        connection = super().make_connection()  # type: ignore[no-untyped-call]
        self._opened.add(connection)
        return connection


def _slot(place: tuple[int, Cell]) -> int:
    return place[0]


def named(address: Address) -> str:
    """What logs and metrics call that primary."""
    return "only" if address == ONLY else f"{address[0]}:{address[1]}"


def is_cluster(url: str) -> bool:
    """Whether *url* names nodes of a cluster rather than a broker."""
    return urlsplit(url).scheme in _SCHEMES


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text.strip("[]"), _DEFAULT_PORT
    if not port.isdecimal():
        raise ValueError(f"HEADRACE_REDIS_URL: {text!r} is not host:port")
    return host.strip("[]"), int(port)
