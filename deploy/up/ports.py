"""Ports on this machine: whether one is free, and finding one that is."""

import errno
import random
import socket
from collections.abc import Collection

#: How far `free_near` looks before it takes any.
_NEAR = 20
#: Where `free` looks: below the ports that systems give to outgoing connections, from which any
#: connection may take one away between our look and the moment somebody listens.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 200


class PortTaken(Exception):
    """Something else listens there, or we may not."""


def check(host: str, port: int) -> None:
    """Raises `PortTaken` with what to do about it."""
    try:
        _bind(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = "is already in use: stop what listens there, or choose another with --port"
        else:
            reason = f"cannot be listened on: {error.strerror or error}"
        raise PortTaken(f"port {port} of {host} {reason}") from error


def free(host: str, count: int = 1) -> int:
    """A port with *count* - 1 free ones right after it. Raises `PortTaken` when none turns up."""
    for _ in range(_TRIES):
        first = random.randrange(_FIRST, _LAST - count)
        try:
            for port in range(first, first + count):
                _bind(host, port)
        except OSError:
            continue
        return first
    raise PortTaken(f"{host} has no {count} free ports in a row")


def free_near(host: str, port: int, taken: Collection[int] = ()) -> int:
    """*port* or one soon after it, if free and not *taken*; else any free one."""
    for candidate in range(port, min(port + _NEAR, 65536)):
        if candidate in taken:
            continue
        try:
            return _bind(host, candidate)
        except OSError:
            continue
    return free(host)


def _bind(host: str, port: int) -> int:
    family, kind, proto, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, proto) as probe:
        # As servers do, or a port whose last connections still linger would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        bound: int = probe.getsockname()[1]
        return bound
