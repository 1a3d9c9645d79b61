"""The broker that tests run against: the embedded Valkey, as `headrace up` starts it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from signal import Signals

import redis

from deploy.up import valkey

_START_TIMEOUT_S = 10.0


class EmbeddedBroker:
    """
    A Valkey of its own on a unix socket; what it holds survives `stop` and `start`.

    Its 16 databases keep stacks apart that run at the same time.
    """

    #: What whoever works with it must be told beside its address.
    settings: Mapping[str, object] = {}

    def __init__(
        self, environment: Mapping[str, str] | None = None, program: Path | None = None, *options: str
    ) -> None:
        """*environment* beside this process's own; *program* in place of Valkey's."""
        self._program, self._options = program, options
        self._environment = {**os.environ, **(environment or {})}
        self._data = Path(tempfile.mkdtemp(prefix="headrace-"))
        self._socket = valkey.socket_path(self._data)
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[int, redis.Redis] = {}

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._socket

    @property
    def data(self) -> Path:
        """Where it keeps what it holds."""
        return self._data

    def url(self, database: int = 0) -> str:
        """What settings call `redis_url`."""
        return f"{valkey.url(self._socket)}?db={database}"

    def client(self, database: int = 0) -> redis.Redis:
        """A client that looks at it from a test."""
        if database not in self._clients:
            self._clients[database] = redis.Redis(unix_socket_path=str(self._socket), db=database)
        return self._clients[database]

    def start(self) -> None:
        """Returns once it answers."""
        with (self._data / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                executable=self._program,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError((self._data / "log").read_text())
            time.sleep(0.01)

    def pause(self, signum: Signals) -> None:
        """SIGSTOP, then SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signum)

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> None:
        """End it; a signal other than SIGKILL lets it write what it has."""
        if self._process is not None:
            self._process.send_signal(signum)
            self._process.wait(10)
            self._process = None

    def remove(self) -> None:
        """End it, and leave nothing behind."""
        for client in self._clients.values():
            client.close()
        self.stop(signal.SIGKILL)
        shutil.rmtree(self._data, ignore_errors=True)
        if self._socket.parent != self._data:
            shutil.rmtree(self._socket.parent, ignore_errors=True)

    def _command(self) -> list[str]:
        command = valkey.command(self._data, self._socket)
        # What Redis is, its name says.
        return [*(["redis-server"] if self._program else command[:1]), *command[1:], *self._options]

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1)
                probe.connect(str(self._socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
        except OSError:
            return False
