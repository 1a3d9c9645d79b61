"""Ports on this machine: whether one is free, and finding one that is."""

import errno
import socket
from collections.abc import Collection

#: How far `free_near` looks before it lets the system choose.
_NEAR = 20


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
    """A port with *count* - 1 free ones right behind it. Raises `PortTaken` when none turns up."""
    for _ in range(50):
        first = _bind(host, 0)
        try:
            for port in range(first + 1, first + count):
                _bind(host, port)
        except (OSError, OverflowError):
            continue
        return first
    raise PortTaken(f"{host} has no {count} free ports in a row")


def free_near(host: str, port: int, taken: Collection[int] = ()) -> int:
    """*port* or one soon behind it, if free and not *taken*; else any free one."""
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
