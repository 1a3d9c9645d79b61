"""A client whose machine is gone from one moment to the next: it acknowledges nothing and says no goodbye."""

import ctypes
import socket
import struct

_SO_ATTACH_FILTER = 26
#: Classic BPF, `return 0`: the kernel drops every segment for this socket before TCP sees it.
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)


def vanish(connection: socket.socket) -> None:
    """Nothing that is sent to *connection* arrives any more. It must stay open: closing would say goodbye."""
    program = ctypes.create_string_buffer(_DROP_ALL, len(_DROP_ALL))
    connection.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HxxxxxxP", 1, ctypes.addressof(program))
    )


def ask(port: int, path: str, headers: str = "", body: bytes = b"", method: str = "GET") -> socket.socket:
    """A request that has been sent, and whose answer may be read or not."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}{length}\r\n"
    connection.sendall(head.encode() + body)
    return connection
