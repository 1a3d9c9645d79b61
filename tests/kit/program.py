"""One process of ours: its log is captured, its signals are the test's."""

import fcntl
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from deploy.up import ports
from tests.kit.eventually import eventually
from tests.kit.forked import Forked, can_fork

#: For programs that speak no TLS: to read all of the machine's certificates takes each that starts 50 ms.
FEW_CERTIFICATES = {"SSL_CERT_FILE": str(Path(__file__).with_name("loopback.pem"))}
#: The ports that this process has taken.
_OURS: set[int] = set()
_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 10.0


def free_port() -> int:
    """A port of loopback that nothing takes meanwhile, nor another run of tests as long as this one lasts."""
    taken = _ports_of_tests()
    while True:
        port = ports.free("127.0.0.1")
        if port in _OURS:
            continue
        try:
            fcntl.lockf(taken, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            continue
        _OURS.add(port)
        return port


@cache
def _ports_of_tests() -> int:
    """A file of which each byte is a port, locked by whoever has it; the system lets go when they end."""
    path = Path(tempfile.gettempdir(), f"headrace-tests-{os.getuid()}.ports")
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def environment(**settings: object) -> dict[str, str]:
    """This process's environment without its own settings, and with these."""
    ours = {f"HEADRACE_{name.upper()}": str(value) for name, value in settings.items()}
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")} | ours


class Program:
    """`python -m <module>`; it is ready when `/readyz` at its *port* says so."""

    def __init__(self, module: str, env: Mapping[str, str], port: int, log: Path, *options: str) -> None:
        self.module = module
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.env = dict(env)
        #: Where an installed wheel lies that it is started from; else this checkout.
        self.release: Path | None = None
        self._options = options
        self._log = log
        self._process: Forked | subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Does not wait: see `ready`."""
        if self.release is None and can_fork(self.env):
            self._process = Forked(self.module, self._options, self.env, self._log)
            return
        env, safe = self.env, []
        if self.release is not None:
            # Its packages, and what pip noted of it, before those of the checkout.
            path = (self.release / "headrace" / "system", self.release)
            env, safe = env | {"PYTHONPATH": os.pathsep.join(map(str, path))}, ["-P"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *safe, "-m", self.module, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        """Whether it can do its work. Fails when it has ended."""
        if not self.is_alive:
            raise AssertionError(f"{self.module} has ended: {self.log[-2000:]}")
        try:
            return self.request("GET", "/readyz", timeout_s=1) == 200
        except (OSError, http.client.HTTPException):
            return False

    def request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, timeout_s: float = 10
    ) -> int:
        """The status of its answer. Blocks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            return connection.getresponse().status
        finally:
            connection.close()

    def wait_ready(self) -> None:
        """`ready` for where no event loop runs."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self.is_ready():
            assert time.monotonic() < deadline, f"{self.module} is not ready: {self.log[-2000:]}"
            time.sleep(0.02)

    async def ready(self) -> None:
        """Returns once it can do its work."""
        await eventually(self.is_ready, f"{self.module} is ready", _START_TIMEOUT_S)

    async def restart(self) -> None:
        """A new process in its place, on the same port."""
        self.stop()
        self.start()
        await self.ready()

    def signal(self, signum: signal.Signals) -> None:
        """SIGKILL, SIGTERM, SIGSTOP, SIGCONT, …"""
        assert self._process is not None
        self._process.send_signal(signum)

    def terminate(self) -> None:
        """Ask it to drain, if it runs; see `wait_ended`."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()

    def stop(self) -> None:
        """Drain it. Fails when it does not end."""
        self.terminate()
        self.wait_ended()

    def wait_ended(self) -> int | None:
        """Its exit status; None if it never was started. Fails, and kills it, when it does not end."""
        if self._process is None:
            return None
        try:
            return self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"{self.module} did not end: {self.log[-2000:]}") from None

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    async def ended(self, timeout_s: float = _STOP_TIMEOUT_S) -> int:
        """Its exit status, once it has ended by itself or by a signal."""
        await eventually(lambda: not self.is_alive, f"{self.module} ends", timeout_s)
        assert self._process is not None
        return self._process.wait()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs, or is paused."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All it has said so far, its predecessors included."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""
