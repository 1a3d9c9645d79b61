"""
How many connections there are, in all and from one address, and who finds no room.

A trusted proxy's connections are no client's: of what comes through it, each request counts for its client
for as long as it is answered.
"""

import resource
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from aiohttp import web

from gateway.edge.client_address import ClientAddresses, counted
from shared import metrics
from shared.errors import HeadraceError, TooBusy, Unavailable
from shared.settings import Settings

logger = structlog.get_logger("gateway.edge.room")

#: Open files for everything but clients: broker, log, page, listening.
_OTHER_FILES = 128
#: Beyond the limit so many more are told so; what still comes is closed without a word.
_TOLD = 256
_WARN_EVERY_S = 60.0
_RETRY_AFTER_S = 5


class Room:
    """Counts a process's connections; each that has entered has to leave, also one that was refused."""

    def __init__(self, settings: Settings, addresses: ClientAddresses) -> None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = settings.max_connections if soft == resource.RLIM_INFINITY else max(1, soft - _OTHER_FILES)
        self._addresses = addresses
        self._most = min(settings.max_connections, files)
        self._most_of_one = settings.max_connections_per_address
        self._open = 0
        self._of: Counter[str] = Counter()
        self._warned_at: float | None = None

    def enter(self, peer: Any) -> HeadraceError | None:
        """Count one from *peer*; gives why there is no room for it."""
        host = _host(peer)
        self._open += 1
        metrics.connections.inc()
        found = None if self._addresses.trusts(host) else self._count(counted(host))
        if self._open > self._most:
            self._warn("full", "HEADRACE_MAX_CONNECTIONS", self._most)
            return Unavailable("This gateway has no room for a connection.", retry_after_s=_RETRY_AFTER_S)
        return found

    def leave(self, peer: Any) -> None:
        """One from *peer* is no more."""
        host = _host(peer)
        self._open -= 1
        metrics.connections.dec()
        if not self._addresses.trusts(host):
            self._give_back(counted(host))

    @contextmanager
    def serving(self, request: web.Request) -> Iterator[None]:
        """While *request* is answered. Raises `TooBusy` where its client has as many as may be already."""
        if not self._addresses.trusts(request.remote):
            yield  # its connection is counted
            return
        client = self._addresses.of(request)
        refused = self._count(client)
        try:
            if refused is not None:
                raise refused
            yield
        finally:
            self._give_back(client)

    def _count(self, address: str) -> HeadraceError | None:
        self._of[address] += 1
        if self._of[address] <= self._most_of_one:
            return None
        self._warn("address", "HEADRACE_MAX_CONNECTIONS_PER_ADDRESS", self._most_of_one)
        return TooBusy("Your address has too many connections.", retry_after_s=_RETRY_AFTER_S)

    def _give_back(self, address: str) -> None:
        self._of[address] -= 1
        if not self._of[address]:
            del self._of[address]

    @property
    def is_stormed(self) -> bool:
        """There are so many beyond the limit that no more can be told so."""
        return self._open > self._most + _TOLD

    def _warn(self, reason: str, setting: str, most: int) -> None:
        metrics.connections_refused.labels(reason).inc()
        now = time.monotonic()
        if self._warned_at is None or now - self._warned_at > _WARN_EVERY_S:
            self._warned_at = now
            logger.warning("no room for a connection", reason=reason, setting=setting, most=most)


def _host(peer: Any) -> str:
    return peer[0] if isinstance(peer, tuple) else ""
