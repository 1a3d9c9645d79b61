"""A system in which everything that is measured happens: replies of all kinds, refusals, losses, costs."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import ClientError, ClientSession

from deploy.grafana.panels import RATE
from shared import keys
from shared.api_keys import ApiKeys, Wanted
from shared.broker import Broker
from shared.limits import Limits
from shared.sealing import Sealing
from shared.settings import Settings
from shared.tenants import Tenants
from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import ChatClient, script
from tests.kit.program import Program
from tests.kit.prometheus import Prometheus
from tests.kit.stack import MODELS, Stack

#: Two upstreams of which the first breaks off, or is silent; one that fails; and one that gives no reason.
BUSY_MODELS = (
    MODELS
    + """
[models.priced]
backend = "scripted"
can_continue = true
prices = { prompt = 3, completion = 15 }
parameters = { rate = 60, length = 40 }
[models.broken]
can_continue = true
cool_down_s = 1
[[models.broken.upstreams]]
name = "first"
backend = "scripted"
parameters = { rate = 0, length = 10, fault = "reset", fault_at = 3 }
[[models.broken.upstreams]]
name = "second"
backend = "scripted"
parameters = { rate = 0, length = 10 }
[models.silent]
hedge_after_s = 0.05
[[models.silent.upstreams]]
backend = "scripted"
parameters = { first_token_delay_s = 60 }
[[models.silent.upstreams]]
backend = "scripted"
parameters = { rate = 0, length = 10 }
[models.failing]
backend = "scripted"
parameters = { fault = "500" }
"""
)
LONG = script(length=2000, rate=40)


class Busy:
    """Keeps *stack*, which asks for API keys, busy: `run` for some seconds."""

    def __init__(self, stack: Stack, http: ClientSession, key_of: dict[str, str]) -> None:
        """*key_of* tenants: `acme`, `zenith`, and `bounded`, who may ask for little."""
        self._stack = stack
        self._chats = [
            ChatClient(http, gateway.url, key_of[tenant])
            for gateway in stack.gateways
            for tenant in ("acme", "zenith")
        ]
        self._bounded = ChatClient(http, stack.gateways[0].url, key_of["bounded"])
        self._stranger = ChatClient(http, stack.gateways[0].url, "hr_" + "0" * 12 + "_" + "0" * 50)

    async def run(self, seconds: float, streams: int = 8) -> None:
        """Each kind of thing once, then over and over; a worker is lost on the way, and another comes."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        work = [self._replies(i, until) for i in range(streams)]
        work += [
            self._repeatedly(one, until)
            for one in (self._stopped, self._refused, self._unlucky, self._queued)
        ]
        work.append(self._loses_a_worker(seconds / 3))
        async with asyncio.TaskGroup() as tasks:
            for one in work:
                tasks.create_task(one)

    async def _repeatedly(self, what: Callable[[], Awaitable[None]], until: float) -> None:
        while True:
            await what()
            if asyncio.get_running_loop().time() > until:
                return
            await asyncio.sleep(0.1)

    async def _replies(self, number: int, until: float) -> None:
        chat = self._chats[number % len(self._chats)]
        for turn in range(10_000):
            message, conversation = script(length=30 + 5 * number, rate=60), f"c{number}-{turn}"
            if number % 3:
                await _surely(chat.ask(message, model="priced", conversation_id=conversation))
            else:
                asked = {
                    "model": "priced",
                    "messages": [{"role": "user", "content": message}],
                    "stream": True,
                }
                await _surely(chat.call("POST", "/v1/chat/completions", json=asked))
            if asyncio.get_running_loop().time() > until:
                return

    async def _stopped(self) -> None:
        """One that its user stops, one that is resumed after its end, one that nobody watches."""
        chat = self._chats[0]
        async with await chat.send(LONG, model="priced") as reader:
            await reader.until("chunk", 2)
            await chat.cancel(reader.generation_id)
            await reader.all()
        async with await chat.resume(reader.generation_id) as again:
            await again.all()
        await chat.resume(reader.generation_id, reader.last_id)
        async with await chat.send(LONG, on_disconnect="cancel") as left:
            await left.until("chunk")

    async def _refused(self) -> None:
        """Who has no key, who has asked for all it may, and what the broker refuses."""
        await self._stranger.call("GET", "/v1/models")
        await self._bounded.submit(script(length=2))
        self._stack.redis.set(keys.RECORD + "gen_x", "of another kind", px=300)
        await self._chats[0].call("GET", "/api/chat/gen_x")
        self._stack.redis.delete(keys.RECORD + "gen_x")

    async def _unlucky(self) -> None:
        """A model server that breaks off, one that is silent, one that fails."""
        for model in ("broken", "silent", "failing"):
            await _surely(self._chats[1].ask(model=model))

    async def _queued(self) -> None:
        """More than a model takes at once."""
        asked = [self._chats[2].ask(script(length=20, rate=60), model="single") for _ in range(4)]
        await asyncio.gather(*(_surely(one) for one in asked))

    async def _loses_a_worker(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        victim: Program = self._stack.workers[0]
        async with (
            await self._chats[0].send(LONG, model="priced") as one,
            await self._chats[1].send(LONG, model="priced") as two,
        ):
            await asyncio.gather(one.until("chunk", 40), two.until("chunk", 40))
            victim.signal(signal.SIGKILL)
            await victim.ended()
            victim.start()
            await victim.ready()
            await asyncio.gather(one.until("chunk", 80), two.until("chunk", 80))
            for reader in (one, two):
                await self._chats[0].cancel(reader.generation_id)


async def _surely(asking: Coroutine[Any, Any, Any]) -> None:
    with suppress(ClientError, AssertionError):
        await asking


@asynccontextmanager
async def watched(
    folder: Path, http: ClientSession, seconds: float, streams: int = 8
) -> AsyncIterator["Watched"]:
    """Two gateways, two workers and a broker of their own under Prometheus, after *seconds* of everything."""
    broker = EmbeddedBroker()
    broker.start()
    try:
        broker.client(0).config_set("maxmemory", "256mb")
        stack = Stack(broker, folder, models=BUSY_MODELS, auth="keys", lease_s=1, heartbeat_s=0.5)
        try:
            beginning = asyncio.create_task(stack.begin(gateways=2, workers=2))
            await asyncio.sleep(0)  # its ports are known then, and Prometheus may begin to look for them
            jobs = {
                "headrace-gateway": [gateway.port for gateway in stack.gateways],
                "headrace-worker": [worker.port for worker in stack.workers],
            }
            async with Prometheus(folder, jobs, http) as prometheus:
                await beginning
                await prometheus.scrapes_all()
                began = time.time()
                await Busy(stack, http, await keys_of(stack)).run(seconds, streams)
                yield Watched(stack, prometheus, began)
        finally:
            stack.stop()
    finally:
        broker.remove()


class Watched(NamedTuple):
    """A busy system, and who has watched it since it *began*."""

    stack: Stack
    prometheus: Prometheus
    began: float

    async def shown(self, expr: str, step_s: float = 1, until: float | None = None) -> list[dict[str, Any]]:
        """What a panel with *expr* shows of it, up to now or *until*; no series that has only gaps."""
        expr = expr.replace(RATE, "5s")
        found = await self.prometheus.over(expr, self.began, until or time.time(), step_s)
        return [series for series in found if any(value != "NaN" for _, value in series["values"])]


async def keys_of(stack: Stack) -> dict[str, str]:
    """A new key in plain of each of the tenants `acme`, `zenith` and `bounded`."""
    broker = Broker(Settings.model_validate({"redis_url": stack.redis_url}))
    try:
        api_keys = ApiKeys(broker, Sealing(broker), Tenants(broker))
        limits = {"bounded": Limits(requests_per_minute=5, tokens_per_day=3000)}
        return {
            tenant: (
                await api_keys.create(Wanted(tenant=tenant, limits=limits.get(tenant, Limits())), "a test")
            )[1]
            for tenant in ("acme", "zenith", "bounded")
        }
    finally:
        await broker.close()
