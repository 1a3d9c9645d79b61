"""A gateway, and a worker if wanted, inside the test's own event loop: quick to start, with any settings."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web, web_app

from gateway.app import make_app
from gateway.edge.connections import Runner
from gateway.edge.state import STATE, State
from shared import models
from shared.settings import Settings
from tests.kit import invariants
from tests.kit.broker import EmbeddedBroker
from tests.kit.eventually import eventually
from tests.kit.stack import MODELS
from worker import process


class Local:
    """`start` gives the gateway's address; `close` checks that nothing is left behind."""

    def __init__(self, broker: EmbeddedBroker, database: int, directory: Path) -> None:
        #: A client that looks at its part of the broker.
        self.redis: Any = broker.client(database)
        self.url = ""
        self._broker: dict[str, object] = {"redis_url": broker.url(database), **broker.settings}
        self._models_file = directory / "models.toml"
        self._worker: asyncio.Task[None] | None = None
        self._gateways: list[Runner] = []

    @property
    def redis_url(self) -> str:
        """Where its part of the broker is."""
        return str(self._broker["redis_url"])

    @property
    def state(self) -> State:
        """What the first gateway's handlers work with."""
        state: State = self.app[STATE]
        return state

    @property
    def app(self) -> web.Application:
        """The first gateway."""
        return self._gateways[0].app

    @property
    def connections(self) -> list[asyncio.BaseTransport]:
        """What clients have open to the first gateway."""
        server = self._gateways[0].server
        assert server is not None
        return [handler.transport for handler in server.connections if handler.transport]

    def settings(self, **settings: Any) -> Settings:
        """Settings for one more part."""
        ours = {
            "models": self._models_file,
            "drain_grace_s": 0,
            "lease_s": 1,
            "speech": "off",
            **self._broker,
        }
        return Settings.model_validate({**ours, **settings})

    async def start(self, models_toml: str = MODELS, *, worker: bool = True, **settings: Any) -> str:
        """Returns once the gateway listens."""
        self._models_file.write_text(models_toml)
        self.url = await self.add_gateway(**settings)
        if worker:
            await self.start_worker(**settings)
        return self.url

    async def add_gateway(
        self, prepare: Callable[[web.Application], None] = lambda app: None, **settings: Any
    ) -> str:
        """One more, with what *prepare* adds; gives its address."""
        chosen = self.settings(**settings)
        app = make_app(chosen, models.load(self._models_file))
        prepare(app)
        runner = Runner(app, chosen, shutdown_timeout=0.1)
        await runner.setup()
        self._gateways.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def start_worker(self, **settings: Any) -> None:
        """At most one: it takes this process's signals."""
        assert self._worker is None
        self._worker = asyncio.create_task(process.run(self.settings(**settings)))
        await asyncio.sleep(0)

    async def stop_worker(self) -> None:
        """Drain it, as SIGTERM does."""
        if self._worker is not None:
            worker, self._worker = self._worker, None
            if not worker.done():
                signal.raise_signal(signal.SIGTERM)
            await worker

    async def stop_gateways(self) -> None:
        """All of them; nothing may be under way."""
        while self._gateways:
            await self._gateways.pop().cleanup()

    async def close(self) -> None:
        """End every generation and every part; each must have come to its one end."""
        if self._gateways:
            owners = {g: self.redis.hget(f"hr:gen:{g}", "owner") for g in invariants.not_ended(self.redis)}
            for generation_id, owner in owners.items():
                if owner is not None:
                    await self.state.generations.cancel(generation_id, owner.decode(), "user")
            await eventually(
                lambda: not invariants.not_ended(self.redis),
                lambda: f"generations end: {invariants.not_ended(self.redis)}",
            )
        await self.stop_worker()
        for gateway in self._gateways:
            state: State = gateway.app[STATE]
            await eventually(lambda state=state: state.relay.empty, "the relay is empty")  # type: ignore[misc]
            await gateway.cleanup()
        # aiohttp keeps the middlewares of its last 1,024 handlers, and with them whole gateways: after some
        # hundred tests a look for garbage would take a second, in which time-outs run out.
        web_app._cached_build_middleware.cache_clear()
