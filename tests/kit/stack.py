"""Gateways, workers and a model server as real processes around one broker."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.kit import invariants
from tests.kit.broker import EmbeddedBroker
from tests.kit.program import Program, environment, free_port

#: `plain` cannot go on from a prefix, `single` runs one at a time.
MODELS = """
default = "scripted"

[models.scripted]
backend = "scripted"
can_continue = true
parameters = { rate = 0, length = 20 }

[models.plain]
backend = "scripted"
parameters = { rate = 0, length = 20 }

[models.single]
backend = "scripted"
concurrency = 1
parameters = { rate = 0, length = 20 }
"""


def upstream_model(url: str, name: str = "upstream", **options: Any) -> str:
    """A model at an OpenAI-compatible server, for the end of a models.toml."""
    entries = "".join(
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n"
        for key, value in options.items()
    )
    return f'\n[models.{name}]\nbase_url = "{url}"\n{entries}'


class Stack:
    """
    Its processes share a broker's *database* and a models.toml; settings are those of `Settings`.

    `start` and `stop` are for where no event loop runs. Gateways and workers are those of the installed
    *release*, where one is given.
    """

    def __init__(
        self,
        broker: EmbeddedBroker,
        directory: Path,
        *,
        database: int = 0,
        models: str = MODELS,
        upstream: bool = False,
        release: Path | None = None,
        **settings: object,
    ) -> None:
        self.gateways: list[Program] = []
        self.workers: list[Program] = []
        self.upstream: Program | None = None
        self.broker = broker
        self._database = database
        self._directory = directory
        self._release = release
        self._programs: list[Program] = []
        models_file = directory / "models.toml"
        self._settings: dict[str, object] = {
            "redis_url": broker.url(database),
            "models": models_file,
            "drain_grace_s": 2,
            # What makes sound takes a second to start.
            "speech": "off",
            **broker.settings,
            **settings,
        }
        if upstream:
            port = free_port()
            self.upstream = self._program("tests.kit.upstream", port, {}, "--port", str(port))
            models += upstream_model(f"http://127.0.0.1:{port}/v1", can_continue=True)
        models_file.write_text(models)

    @property
    def redis_url(self) -> str:
        """Where its part of the broker is."""
        return str(self._settings["redis_url"])

    @property
    def redis(self) -> Any:
        """A client that looks at its part of the broker."""
        return self.broker.client(self._database)

    def start(self, gateways: int = 1, workers: int = 1) -> None:
        """Returns once all of it is ready."""
        for program in self._launch(gateways, workers):
            program.wait_ready()

    async def begin(self, gateways: int = 1, workers: int = 1) -> None:
        """`start` for where an event loop runs."""
        for program in self._launch(gateways, workers):
            await program.ready()

    async def add_gateway(self, **settings: object) -> Program:
        """One more, ready."""
        return await self._begun(self._gateway(settings))

    async def add_worker(self, env: Mapping[str, str] | None = None, **settings: object) -> Program:
        """One more, ready; *env* beside what settings become."""
        worker = self._worker(settings)
        worker.env.update(env or {})
        return await self._begun(worker)

    async def settle(self, timeout_s: float = 5) -> None:
        """Stop what still runs through the API, and check that all of it came to its one end."""
        for generation_id in invariants.not_ended(self.redis):
            self._cancel(generation_id)
        await invariants.settled(self.redis, timeout_s)

    def stop(self) -> None:
        """Drain all of it; no process may have said `Traceback`."""
        try:
            for program in self._programs:
                program.terminate()
            for program in self._programs:
                program.wait_ended()
        finally:
            for program in self._programs:
                program.kill()
        for program in self._programs:
            assert "Traceback" not in program.log, f"{program.module}: {program.log[-6000:]}"

    def _cancel(self, generation_id: str) -> None:
        gateway = next((gateway for gateway in self.gateways if gateway.is_alive), None)
        assert gateway is not None, f"every gateway has ended: {self.gateways[-1].log[-3000:]}"
        key = str(self._settings.get("api_keys", "")).partition(",")[0]
        gateway.request("POST", f"/api/chat/{generation_id}/cancel", {"Authorization": f"Bearer {key}"})

    def _gateway(self, settings: dict[str, object]) -> Program:
        port = free_port()
        program = self._program("gateway", port, {"port": port, **settings})
        self.gateways.append(program)
        return program

    def _worker(self, settings: dict[str, object]) -> Program:
        port = free_port()
        program = self._program("worker", port, {"metrics_port": port, **settings})
        self.workers.append(program)
        return program

    def _program(self, module: str, port: int, settings: dict[str, object], *options: str) -> Program:
        log = self._directory / f"{module}-{len(self._programs)}.log"
        env = environment(**{**self._settings, **settings})
        program = Program(module, env, port, log, *options)
        if module in {"gateway", "worker"}:
            program.release = self._release
        self._programs.append(program)
        return program

    def _launch(self, gateways: int, workers: int) -> list[Program]:
        started = [self._gateway({}) for _ in range(gateways)] + [self._worker({}) for _ in range(workers)]
        for program in self._programs:
            program.start()
        return started

    async def _begun(self, program: Program) -> Program:
        program.start()
        await program.ready()
        return program
