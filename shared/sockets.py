"""
Sockets that notice a vanished peer: one whose machine, or the network to it, is gone says no goodbye.

Whatever waits for such a peer, or writes to it, fails within `SILENCE_S`. A peer that only has nothing to
say is left alone: its machine answers for it.
"""

import socket

#: How long a peer's machine may answer nothing.
SILENCE_S = 30
#: On a connection with nothing under way: asked after this much silence, and this often.
_IDLE_S, _EVERY_S = 10, 5

#: For redis-py's `socket_keepalive_options`. What a system does not have is left out.
TCP_OPTIONS: dict[int, int] = {
    getattr(socket, name): value
    for name, value in {
        # macOS calls it so.
        "TCP_KEEPALIVE": _IDLE_S,
        "TCP_KEEPIDLE": _IDLE_S,
        "TCP_KEEPINTVL": _EVERY_S,
        "TCP_KEEPCNT": (SILENCE_S - _IDLE_S) // _EVERY_S,
        # With something under way; without it, the system would try for a quarter of an hour.
        "TCP_USER_TIMEOUT": SILENCE_S * 1000,
    }.items()
    if hasattr(socket, name)
}

AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]


def notice_loss(connection: socket.socket) -> None:
    """Have *connection* notice it; one that is not TCP has no network to lose."""
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in TCP_OPTIONS.items():
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def open_socket(address: AddressInfo) -> socket.socket:
    """A socket of ours for *address*, as aiohttp's `socket_factory`."""
    family, kind, proto, _, _ = address
    connection = socket.socket(family, kind, proto)
    connection.setblocking(False)
    notice_loss(connection)
    return connection
