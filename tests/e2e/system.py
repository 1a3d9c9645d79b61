"""A whole `headrace up` with two gateways, for all tests of one process that need no other."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import redis
from aiohttp import ClientSession

from deploy.up import valkey
from tests.e2e.up import Up, kill
from tests.kit import invariants
from tests.kit.eventually import eventually
from tests.kit.program import Program, environment, free_port
from tests.kit.stack import MODELS, upstream_model

#: Short, so that tests of an abandoned or a taken-over generation do not wait.
ABANDON_GRACE_S = 0.5
LEASE_S = 1.5
#: Beyond this a model's queue is full.
MAX_QUEUED = 20

T = TypeVar("T")


class System:
    """Models: those of `tests.kit.stack`, `upstream` at a fake server and `brief`, which reads little."""

    def __init__(self) -> None:
        # Not one of pytest's folders: their long names leave no room for a socket's.
        self._folder = Path(tempfile.mkdtemp(prefix="headrace-")).resolve()
        self._up = Up(self._folder)
        port = free_port()
        options = ("--port", str(port), "--rate", "0", "--length", "20")
        self.upstream = Program(
            "tests.kit.upstream", environment(), port, self._folder / "upstream.log", *options
        )
        self.redis: Any = redis.Redis(unix_socket_path=str(valkey.socket_path(self._folder / "data")))
        #: The gateways' addresses.
        self.url = self.elsewhere = ""

    def start(self, workers: int = 1, further_models: str = "", **settings: object) -> None:
        """Returns once all of it is ready. For where no event loop runs."""
        models, base_url = self._folder / "models.toml", f"{self.upstream.url}/v1"
        models.write_text(
            MODELS
            + upstream_model(base_url, can_continue=True)
            + upstream_model(base_url, "brief", max_context_tokens=60)
            + further_models
        )
        self.upstream.start()
        self._up.start(
            *("--gateways", "2", "--workers", str(workers), "--models", str(models)),
            **{"abandon_grace_s": ABANDON_GRACE_S, "lease_s": LEASE_S, "max_queued": MAX_QUEUED, **settings},
        )
        self.url, self.elsewhere = _run(self._up.ready())
        _run(eventually(self._upstream_answers, lambda: f"the model server answers: {self.upstream.log}"))

    def _upstream_answers(self) -> bool:
        try:
            return self.upstream.request("GET", "/v1/models") == 200
        except OSError:
            return False

    def stop(self) -> None:
        """Ctrl-C. It must end with status 0, leave no process, and nothing may have said `Traceback`."""
        try:
            self._up.signal(signal.SIGINT)
            assert _run(self._up.ended()) == 0
            assert "Traceback" not in self._up.said, self._up.said[-6000:]
        finally:
            self.upstream.kill()
            self.redis.close()
            _run(self._up.end())
            shutil.rmtree(self._folder, ignore_errors=True)

    def kill_worker(self) -> None:
        """`kill -9`; `headrace up` starts another."""
        [pid] = self._up.children("-m worker")
        kill(pid)

    def kill_all(self, module: str) -> None:
        """`kill -9` to every process of *module*; `headrace up` starts others."""
        pids = self._up.children(f"-m {module}")
        assert pids, self._up.said
        for pid in pids:
            kill(pid)

    async def settle(self, session: ClientSession) -> None:
        """Stop what still runs, and check that all of it came to its one end."""
        for generation_id in invariants.not_ended(self.redis):
            async with session.post(f"{self.url}/api/chat/{generation_id}/cancel"):
                pass
        await invariants.settled(self.redis)
        # Or the tests that look for theirs again and again read those of all before.
        async with session.delete(f"{self.upstream.url}/_requests"):
            pass

    async def asked(self, session: ClientSession) -> list[dict[str, Any]]:
        """The requests that the fake model server has seen, oldest first."""
        async with session.get(f"{self.upstream.url}/_requests") as response:
            return list(await response.json())


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()
