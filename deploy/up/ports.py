"""Ports on this machine: whether one is free, and finding one that is."""

import errno
import fcntl
import os
import random
import re
import socket
import tempfile
from collections.abc import Collection
from pathlib import Path

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


class Held:
    """
    Ports that are ours from before our processes listen there until we end. Of two `headrace up` that start
    at once both would find them free, and one would take the other's processes for its own.
    """

    def __init__(self) -> None:
        self._files: list[int] = []

    def take(self, host: str, port: int) -> bool:
        """Whether nobody else, of the same user, holds it."""
        name = re.sub(r"[^\w.-]", "_", f"headrace-{os.getuid()}-{host}-{port}")
        try:
            file = os.open(Path(tempfile.gettempdir(), name), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError:
            # Where nothing can be written the port itself is all there is to go by.
            return True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._files.append(file)
        return True

    def take_free_near(self, host: str, port: int, taken: Collection[int] = ()) -> int:
        """As `free_near`, and nobody else's."""
        passed = {*taken}
        while not self.take(host, found := free_near(host, port, passed)):
            passed.add(found)
        return found

    def let_go(self) -> None:
        """All of them."""
        while self._files:
            os.close(self._files.pop())


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
