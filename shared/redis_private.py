"""
Everything we take from inside redis-py, which promises none of it: look here first when redis-py changes.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.asyncio import Connection
from redis.asyncio.connection import AbstractConnection
from redis.connection import HiredisRespSerializer

__all__ = ["NOT_ENOUGH_DATA", "PushReader", "abort", "light", "take_over"]


class _Light:
    """What redis-py's connections do, with less work."""

    _reader: Any
    _serializer = HiredisRespSerializer()

    def pack_command(self, *args: Any) -> list[bytes]:
        """
        In C, as redis-py does by itself only where it is not asynchronous: an append of eight events takes
        5 instead of 27 microseconds.
        """
        return self._serializer.pack(*args)  # type: ignore[no-any-return]

    async def can_read_destructive(self) -> bool:
        """
        Whether a connection that its pool gives out has unread bytes; raises where it is closed.

        redis-py reads from it and gives up at once, which takes a round of the event loop, and with it a
        third of a short command's time. What a round would bring has come already: the loop reads
        whatever arrives, also between commands.
        """
        if self._reader is None or self._reader.at_eof() or self._reader.exception() is not None:
            raise ConnectionError("the broker closed the connection")
        return bool(self._reader._buffer)


def light(connection_class: type[AbstractConnection]) -> type[AbstractConnection]:
    """*connection_class*, with less work a command."""
    return type(connection_class.__name__, (_Light, connection_class), {})


def abort(connection: Any) -> None:
    """Break *connection* now. Closing it would first wait for a server that hangs to take what is unsent."""
    if connection._writer is not None:
        connection._writer.transport.abort()


def take_over(connection: Any, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, Any]:
    """
    From now on *protocol* is told what comes over *connection*, which is connected and has nothing under way.

    Gives its transport, and its parser: `feed` it what comes, and `gets` gives replies, an error's as an
    exception of redis-py's, or `NOT_ENOUGH_DATA`.
    """
    transport = connection._writer.transport
    transport.set_protocol(protocol)
    return transport, connection._parser._reader


class PushReader:
    """What a subscribed connection is sent: one await a socket read, not one a message."""

    def __init__(self, connection: Connection) -> None:
        parser: Any = connection._parser
        self._parser = parser
        self._messages: Any = parser._reader

    async def wait(self) -> None:
        """Until something more has arrived. Raises what a broken connection raises."""
        await self._parser.read_from_socket()

    def messages(self) -> Iterator[list[Any]]:
        """All whole messages that have arrived. Raises an error that the server sent in place of one."""
        while (message := self._messages.gets()) is not NOT_ENOUGH_DATA:
            if isinstance(message, Exception):
                raise message
            yield message
