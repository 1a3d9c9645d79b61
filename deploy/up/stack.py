"""
The processes of `headrace up`: what each is started with, and in which order they come and go.

They start in the order in which they need each other, and stop in the opposite one.
"""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path

import aiohttp
from rich.console import Console

from deploy import programs
from deploy.progress import bar
from deploy.up import append_only, found, models_file, nodes, ports, upstreams, valkey
from deploy.up.child import Child, Say, StartFailed
from deploy.up.cluster import CannotForm
from deploy.up.data_directory import DataDirectory
from deploy.up.embedded import Embedded
from deploy.up.given_redis import reach
from deploy.up.guard import Leash
from deploy.up.options import CannotStart, Options
from shared.models import Models
from shared.settings import Settings

#: Workers serve /metrics, /livez and /readyz from this far above the first gateway's port.
WORKER_PORTS_BEHIND = 100
#: On one's own machine nobody waits longer; what is under way is kept, and the next start goes on with it.
_DRAIN_GRACE_S = 3.0
#: Beyond its own grace, for a process to end once it has drained.
_END_S = 5.0
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104
_BROKER_LOG = "valkey.log"


class Stack:
    """All children of one `headrace up`, in the order in which they were started."""

    def __init__(
        self,
        options: Options,
        settings: Settings,
        embedded: Embedded | None,
        data: DataDirectory,
        leash: Leash,
        http: aiohttp.ClientSession,
        say: Say,
    ) -> None:
        self._options, self._settings, self._embedded = options, settings, embedded
        self._data, self._leash, self._http, self._say = data, leash, http, say
        self._grace_s = _DRAIN_GRACE_S
        if "drain_grace_s" in settings.model_fields_set:
            self._grace_s = settings.drain_grace_s
        self._broker: list[Child] = []
        self._model: list[Child] = []
        self._faces: list[Child] = []
        self._socket: Path | None = None
        self._model_port = 0
        self._ports = ports.Held()
        self.addresses: list[str] = []
        self._worker_addresses: list[str] = []
        #: What the models.toml says, once it is written.
        self.models: Models | None = None

    async def start(self) -> None:
        """Start everything; return when every part says that it is ready."""
        options = self._options
        first = options.port or ports.free(options.host, options.gateways)
        gateways = range(first, first + options.gateways)
        for port in gateways:
            ports.check(options.host, port)
            if not self._ports.take(options.host, port):
                raise CannotStart(
                    f"port {port} of {options.host} is another `headrace up`'s: stop that one, or choose "
                    "another with --port"
                )
        if self._embedded is not None:
            self._model_port = ports.free("127.0.0.1")
        models = self._data.path / "models.toml"
        try:
            self.models = models_file.write(models, options.models_toml(self._model_port, self._embedded))
        except (ValueError, OSError) as error:
            raise CannotStart(str(error)) from error
        env: dict[str, str] = {}
        if options.cluster is not None:
            redis_url = await self._start_cluster(options.cluster, env)
        else:
            redis_url = options.redis or await self._start_broker()
        if options.redis:
            await reach(options.redis)
        if self._embedded is not None:
            self._model.append(self._new_model_server(self._embedded))
        env |= {
            "HEADRACE_REDIS_URL": redis_url,
            "HEADRACE_MODELS": str(models),
            "HEADRACE_LOG_LEVEL": os.environ.get("HEADRACE_LOG_LEVEL", "warning"),
            "HEADRACE_DRAIN_GRACE_S": str(self._grace_s),
        }
        self._faces += self._new_workers(env, gateways)
        self._faces += self._new_gateways(env, gateways)
        asking = asyncio.create_task(self._ask_upstreams(self.models))
        try:
            await self._start_together()
            await asking
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        for child in self._model + self._faces:
            child.refuse_to_have_ended()
        found.ours(self.addresses, self._worker_addresses, options.redis, self._settings.cells).note(
            self._data.path
        )

    async def _start_together(self) -> None:
        children = self._model + self._faces
        title = f"Loading {self._embedded.title}" if self._embedded is not None else None
        ready = 0
        with bar(title, "pieces") as report:

            async def start(child: Child) -> None:
                nonlocal ready
                await child.start()
                ready += 1
                report(ready, len(children))

            report(0, len(children))
            await _together(start(child) for child in children)

    async def _ask_upstreams(self, models: Models) -> None:
        """Say what is wrong with them. It holds nothing up but the word that all is ready."""
        if self._embedded is None:
            for line in await upstreams.problems(models, self._http):
                self._say(line)

    async def watch(self) -> None:
        """Keep everything alive, until `stop`."""
        await _together(child.watch() for child in self._broker + self._model + self._faces)

    async def stop(self) -> None:
        """Drain gateways and workers, then end what they needed."""
        found.forget(self._data.path)
        for children in (self._faces, self._model, self._broker):
            await asyncio.gather(*(child.stop() for child in children))
        self._ports.let_go()
        if self._socket is not None and self._socket.parent != self._data.path:
            shutil.rmtree(self._socket.parent, ignore_errors=True)

    def kill(self) -> None:
        """End everything at once."""
        for child in self._faces + self._model + self._broker:
            child.kill()

    async def _start_cluster(self, primaries: int, env: dict[str, str]) -> str:
        cells = self._settings.cells if "cells" in self._settings.model_fields_set else None
        plan = nodes.planned(self._data.path, primaries, cells)
        for node in range(len(plan.ports)):
            self._broker.append(
                self._child(
                    f"broker {node + 1}",
                    plan.command(self._data.path, node),
                    ready=partial(plan.answers, node),
                    log=self._data.logs / f"valkey-{node + 1}.log",
                    keep=(self._data.lock,),
                )
            )
        with Console(stderr=True).status("Starting the cluster"):
            await _together(child.start() for child in self._broker)
            try:
                await asyncio.to_thread(plan.form)
            except CannotForm as error:
                raise CannotStart(str(error)) from error
        env["HEADRACE_CELLS"] = str(plan.cells)
        return plan.url

    async def _start_broker(self) -> str:
        if nodes.is_there(self._data.path):
            raise CannotStart(f"{self._data.path} holds a cluster's data: start it with --cluster")
        socket = self._socket = valkey.socket_path(self._data.path)
        broker = self._child(
            "the broker",
            valkey.command(self._data.path, socket),
            ready=lambda: valkey.answers(socket),
            log=self._data.logs / _BROKER_LOG,
            keep=(self._data.lock,),
        )
        self._broker.append(broker)
        try:
            await broker.start()
        except StartFailed as failed:
            await self._repair(failed)
            await broker.start()
        if valkey.has_cut(self._data.logs / _BROKER_LOG):
            self._say("the broker's data ended in half a command, as after a power cut; that was let go")
        return valkey.url(socket)

    async def _repair(self, failed: StartFailed) -> None:
        """What keeps the broker from starting may be its data. Raises `StartFailed` with what to do."""
        try:
            done = await asyncio.to_thread(append_only.repair, self._data.path)
        except (append_only.BeyondRepair, OSError) as error:
            raise StartFailed(f"{failed}; {error}") from failed
        if not done:
            raise StartFailed(f"{failed}; {append_only.advice(self._data.path)}") from failed
        for line in done:
            self._say(line)

    def _new_model_server(self, embedded: Embedded) -> Child:
        arguments = ["--file", str(embedded.file), "--port", str(self._model_port)]
        if embedded.template is not None:
            template = self._data.path / "template.jinja"
            template.write_text(embedded.template)
            arguments += ["--template", str(template)]
        return self._child(
            "the model server",
            programs.command("deploy.up.llama", *arguments),
            ready=self._answers(f"http://127.0.0.1:{self._model_port}/health"),
            log=self._data.logs / "llama.log",
        )

    def _new_workers(self, env: dict[str, str], gateways: range) -> list[Child]:
        host = self._settings.metrics_host
        taken = {*gateways, self._model_port}
        workers = []
        for number in range(1, self._options.workers + 1):
            port = self._ports.take_free_near(host, gateways[0] + WORKER_PORTS_BEHIND + number - 1, taken)
            taken.add(port)
            self._worker_addresses.append(_address(host, port))
            workers.append(
                self._child(
                    f"worker {number}",
                    programs.command("worker"),
                    ready=self._answers(f"{_address(host, port)}/readyz"),
                    env=env | {"HEADRACE_METRICS_PORT": str(port)},
                )
            )
        return workers

    def _new_gateways(self, env: dict[str, str], gateways: range) -> list[Child]:
        host = self._options.host
        self.addresses = [_address(host, port) for port in gateways]
        return [
            self._child(
                f"gateway {number}",
                programs.command("gateway"),
                ready=self._answers(f"{_address(host, port)}/readyz"),
                env=env | {"HEADRACE_HOST": host, "HEADRACE_PORT": str(port)},
            )
            for number, port in enumerate(gateways, 1)
        ]

    def _child(
        self,
        name: str,
        command: list[str],
        *,
        ready: Callable[[], Awaitable[bool]],
        env: dict[str, str] | None = None,
        log: Path | None = None,
        keep: tuple[int, ...] = (),
    ) -> Child:
        return Child(
            name,
            command,
            leash=self._leash,
            say=self._say,
            ready=ready,
            env=programs.environment() | (env or {}),
            log=log,
            keep=keep,
            grace_s=self._grace_s + _END_S,
        )

    def _answers(self, url: str) -> Callable[[], Awaitable[bool]]:
        async def ready() -> bool:
            try:
                async with self._http.get(url) as response:
                    return response.status == 200
            except (aiohttp.ClientError, OSError, TimeoutError):
                return False

        return ready


async def _together(work: Iterable[Awaitable[None]]) -> None:
    """All at once; the first to fail ends the others, and its error is raised."""
    tasks = [asyncio.ensure_future(item) for item in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _address(host: str, port: int) -> str:
    host = _WILDCARDS.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
