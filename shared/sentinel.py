"""
Finding the primary through Redis Sentinel, anew for each connection, so that all of them follow a failover.
While there are connections it is looked for all the time: a primary that hangs never says that it is none.

An address is `redis+sentinel://[user:password@]host:port,…/service[/database]`, with `rediss+` for TLS.
https://redis.io/docs/latest/develop/reference/sentinel-clients/
"""

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit
from weakref import WeakSet

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.sentinel import Sentinel, SentinelManagedConnection, SentinelManagedSSLConnection
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as TooLate

from shared import redis_private

_SCHEMES = {
    "redis+sentinel": SentinelManagedConnection,
    "rediss+sentinel": SentinelManagedSSLConnection,
}
_DEFAULT_PORT = 26379
#: A sentinel that does not answer is passed over for the next.
_ANSWER_WITHIN_S = 0.5
#: How often they are asked whether the primary is another.
_LOOK_S = 0.25


class Sentinels:
    """Those that one URL names, and all pools whose connections must follow what they say."""

    def __init__(self, url: str) -> None:
        """Raises `ValueError` when *url* names no sentinels and service."""
        parts = urlsplit(url)
        service, _, database = parts.path.strip("/").partition("/")
        hosts = [_address(host) for host in parts.netloc.rpartition("@")[2].split(",") if host]
        if not (service and hosts and (database or "0").isdecimal()):
            raise ValueError(
                "HEADRACE_REDIS_URL: it should look like redis+sentinel://host:port,host:port/service/0"
            )
        self._service = service
        self._options: dict[str, Any] = {
            "connection_class": _SCHEMES[parts.scheme],
            "db": int(database or 0),
        }
        if parts.username:
            self._options["username"] = unquote(parts.username)
        if parts.password:
            self._options["password"] = unquote(parts.password)
        self._sentinel = Sentinel([])  # type: ignore[no-untyped-call]
        self._sentinel.sentinels = [
            _Asked(host=host, port=port, socket_connect_timeout=_ANSWER_WITHIN_S) for host, port in hosts
        ]
        self._primary: tuple[str, int] | None = None
        #: All that were opened, whether a pool still knows them or not.
        self._connections: WeakSet[Any] = WeakSet()
        self._looking: asyncio.Task[None] | None = None
        #: What is being asked just now, for all who open a connection meanwhile.
        self._asking: asyncio.Task[tuple[str, int]] | None = None

    def pool(self, **options: Any) -> "SentinelPool":
        """A pool of connections to the primary."""
        return SentinelPool(self, **self._options, **options)

    def opens(self, connection: Any) -> None:
        """*connection* is to stay with the primary only as long as that is the primary."""
        self._connections.add(connection)

    async def primary(self) -> tuple[str, int]:
        """Where the primary is now. Nothing stays with an old one, which may hang and never say so."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        if self._asking is None or self._asking.done():
            # A crowd, each of which asked by itself, would wait for too long, and take that for silence.
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def close(self) -> None:
        """Close the connections to the sentinels themselves."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
            if not self._looking.cancelled():
                self._looking.result()
        if self._asking is not None:
            self._asking.cancel()
            # Who asked has been told how it failed.
            await asyncio.gather(self._asking, return_exceptions=True)
        for sentinel in self._sentinel.sentinels:
            await sentinel.aclose()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            # While they elect another there is none.
            with suppress(RedisError, OSError):
                await self._ask()

    async def _ask(self) -> tuple[str, int]:
        primary: tuple[str, int] = await self._sentinel.discover_master(self._service)
        if primary != self._primary:
            known, self._primary = self._primary, primary
            if known is not None:
                for connection in list(self._connections):
                    redis_private.abort(connection)
        return primary


class _Asked(Redis):
    """A sentinel, which does not take long. Not by redis-py's own time-out: see `Broker.watch`."""

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        """Raises redis-py's `TimeoutError`, too."""
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                return await super().execute_command(*command, **options)  # type: ignore[no-untyped-call]
        except TimeoutError as error:
            raise TooLate from error


class SentinelPool(BlockingConnectionPool):
    """Connections to whichever server is the primary when they are opened."""

    #: What redis-py's connections ask of their pool.
    is_master = True
    check_connection = False

    def __init__(self, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(**options)
        self.connection_kwargs["connection_pool"] = self
        self._sentinels = sentinels

    def make_connection(self) -> Any:
        """One more, which a failover breaks."""
        connection = super().make_connection()  # type: ignore[no-untyped-call]
        self._sentinels.opens(connection)
        return connection

    async def get_master_address(self) -> tuple[str, int]:
        """Where the next connection goes."""
        return await self._sentinels.primary()


def is_sentinel(url: str) -> bool:
    """Whether *url* names sentinels rather than a broker."""
    return urlsplit(url).scheme in _SCHEMES


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text.strip("[]"), _DEFAULT_PORT
    if not port.isdecimal():
        raise ValueError(f"HEADRACE_REDIS_URL: {text!r} is not host:port")
    return host.strip("[]"), int(port)
