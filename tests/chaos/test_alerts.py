"""Alerts that a fault can cause here fire in a real Prometheus under that fault."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from shared import keys
from tests.kit import debian
from tests.kit.broker import EmbeddedBroker
from tests.kit.busy import BUSY_MODELS, keys_of
from tests.kit.chat_client import ChatClient, script
from tests.kit.clocks import SetClock
from tests.kit.eventually import eventually
from tests.kit.prometheus import Prometheus
from tests.kit.stack import Stack
from tests.kit.wire import Wire

LONG = script(length=3000, rate=30)
#: Of a model with two upstreams, both are gone.
GONE = """
[models.gone]
cool_down_s = 30
[[models.gone.upstreams]]
name = "a"
backend = "scripted"
parameters = { fault = "refused" }
[[models.gone.upstreams]]
name = "b"
backend = "scripted"
parameters = { fault = "refused" }
"""


class Watched:
    """Two gateways and two workers under Prometheus, whose alerts fire once they have held for a second."""

    def __init__(
        self, stack: Stack, prometheus: Prometheus, key_of: dict[str, str], http: ClientSession
    ) -> None:
        self.stack, self._prometheus, self._key_of, self._http = stack, prometheus, key_of, http

    def chat(self, tenant: str = "acme", gateway: int = 0) -> ChatClient:
        """A client of one of its gateways."""
        return ChatClient(self._http, self.stack.gateways[gateway].url, self._key_of[tenant])

    async def fires(self, *names: str, timeout_s: float = 30) -> None:
        """Returns once all of these do."""

        async def firing() -> bool:
            return set(names) <= await self._prometheus.firing("firing")

        await eventually(firing, f"{names} fire", timeout_s)


@asynccontextmanager
async def watched(
    broker: EmbeddedBroker, folder: Path, http: ClientSession, models: str, **settings: Any
) -> AsyncIterator[Watched]:
    """Once all of it has been scraped: what rises is seen from then on."""
    if debian.program("prometheus") is None:
        pytest.skip("needs prometheus")
    broker.start()
    stack = Stack(broker, folder, models=models, upstream=True, auth="keys", lease_s=1, **settings)
    try:
        await stack.begin(gateways=2, workers=2)
        jobs = {
            "headrace-gateway": [gateway.port for gateway in stack.gateways],
            "headrace-worker": [worker.port for worker in stack.workers],
        }
        async with Prometheus(folder, jobs, http, hold="1s") as prometheus:
            await prometheus.scrapes_all()
            yield Watched(stack, prometheus, await keys_of(stack), http)
    finally:
        for program in (*stack.gateways, *stack.workers, *filter(None, [stack.upstream])):
            program.kill()
        broker.remove()


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_alerts_under_faults(tmp_path: Path, session: ClientSession) -> None:
    """
    Upstreams that fail and refuse, budgets, replicas that are missing, a full broker, workers stopped and
    killed, a broker and a gateway that are gone, nobody left to work, and then nobody at all.
    """
    settings: dict[str, Any] = {"min_replicas": 1, "replication_timeout_s": 0.02, "max_wait_s": 1}
    models = BUSY_MODELS.replace("cool_down_s = 1", "cool_down_s = 30") + GONE
    broker = EmbeddedBroker()
    async with (
        AsyncExitStack() as held,
        watched(broker, tmp_path, session, models, **settings) as system,
    ):
        stack, fires = system.stack, system.fires
        chat, bounded = system.chat(), system.chat("bounded")
        # Upstreams.
        for _ in range(6):
            await chat.ask(model="broken")
            await chat.ask(model="gone")
        await chat.ask(script(status=401), model="upstream")
        await fires("HeadraceUpstreamOpen", "HeadraceModelDown", "HeadraceUpstreamFailing")
        await fires("HeadraceUpstreamRefusesUs", "HeadraceRepliesFailFast", "HeadraceRepliesFail")
        await fires("HeadraceUnreplicated")
        # Askers, and what waits.
        await held.enter_async_context(await bounded.send(LONG, max_tokens=2500))
        assert (await bounded.submit(LONG, max_tokens=2500)).status == 429

        async def shed() -> bool:
            await asyncio.sleep(0.1)
            asked = {"message": script(length=40, rate=20), "model": "single"}
            one = await chat.open("POST", "/api/chat/stream", json=asked)
            await held.enter_async_context(one)
            return one.status == 503

        await eventually(shed, "one would wait too long", 20)
        await fires("HeadraceBudgetSpent", "HeadraceShedding")
        # A defect.
        stack.redis.set(keys.RECORD + "gen_x", "of another kind", px=300)
        await chat.call("GET", "/api/chat/gen_x")
        await fires("HeadraceInternalErrors")
        # The broker's memory.
        used = stack.redis.info("memory")["used_memory"]
        stack.redis.config_set("maxmemory", int(used * 1.02))
        await fires("HeadraceBrokerFull", "HeadraceBrokerMemoryHigh")
        stack.redis.config_set("maxmemory", 0)
        # Workers: one that stands still, and one that is killed.
        readers = [await held.enter_async_context(await chat.send(LONG, model="priced")) for _ in range(6)]
        await asyncio.gather(*(reader.until("chunk", 5) for reader in readers))
        stack.workers[1].signal(signal.SIGSTOP)
        await asyncio.gather(*(reader.until("chunk", 60) for reader in readers))
        stack.workers[1].signal(signal.SIGCONT)
        await fires("HeadraceLeasesLost", "HeadraceWorkersLost")
        stack.workers[1].signal(signal.SIGKILL)
        await fires("HeadraceWorkerDown")
        # The broker, and a gateway.
        broker.stop(signal.SIGKILL)
        await fires("HeadraceBrokerAway")
        broker.start()
        stack.gateways[1].signal(signal.SIGKILL)
        await fires("HeadraceGatewayDown")
        # Nobody is left.
        stack.workers[0].signal(signal.SIGKILL)
        await held.enter_async_context(await chat.send(LONG, model="priced"))
        await fires("HeadraceNoWorkers")
        await fires("HeadraceQueueStuck", timeout_s=90)
        stack.gateways[0].signal(signal.SIGKILL)
        await fires("HeadraceNoGateways")


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_alerts_under_slowness_and_oddities(tmp_path: Path, session: ClientSession) -> None:
    """
    A model server that is slow to begin, a gateway that stands still, a crowd from one address, what no
    version of ours has written, a reply that costs each worker its life, a broker whose clock is set.
    """
    if debian.faketime() is None:
        pytest.skip("needs libfaketime")
    clock = SetClock(tmp_path)
    broker = EmbeddedBroker(clock.environment)
    async with (
        AsyncExitStack() as held,
        watched(
            broker, tmp_path, session, BUSY_MODELS, max_attempts=2, max_connections_per_address=50
        ) as system,
    ):
        stack, fires, chat = system.stack, system.fires, system.chat()
        # First words that come late.
        for several in (1, 8):  # of the first ever, Prometheus sees no rise
            late = [chat.ask(script(length=1, first_token_delay_s=3)) for _ in range(several)]
            await asyncio.gather(*late)
        await fires("HeadraceFirstWordsSlow", "HeadraceFirstWordsSlowFast")
        # All words late.
        readers = [await held.enter_async_context(await chat.send(LONG)) for _ in range(4)]
        await asyncio.gather(*(reader.until("chunk", 5) for reader in readers))
        stack.gateways[0].signal(signal.SIGSTOP)
        await asyncio.sleep(3)  # For so long nobody reads a word.
        stack.gateways[0].signal(signal.SIGCONT)
        await asyncio.gather(*(reader.until("chunk", 90) for reader in readers))
        await fires("HeadraceDelayHigh", "HeadraceDelayHighFast")
        # What nobody here has written.
        stack.redis.publish(keys.LIVE + readers[0].generation_id, "not a position {}")
        await fires("HeadraceVersionsMixed")
        for reader in readers:
            await chat.cancel(reader.generation_id)
            await reader.all()
        # Connections.
        for _ in range(60):
            await held.enter_async_context(Wire(stack.gateways[1].port))
        await fires("HeadraceConnectionsRefused")
        # A reply that no worker survives.
        poisoned = await held.enter_async_context(await chat.send(LONG))
        for attempt in (1, 2):
            await _killed(stack, poisoned.generation_id, attempt)
        await poisoned.all()
        assert poisoned.end.data["metadata"]["code"] == "attempts_exhausted"
        await fires("HeadraceAttemptsExhausted")
        # The broker's clock.
        clock.set(60)
        await fires("HeadraceBrokerClockSet")


async def _killed(stack: Stack, generation_id: str, attempt: int) -> None:
    """Whoever has the generation in that *attempt* is killed, and comes again."""

    async def taken() -> bool:
        found = await asyncio.to_thread(stack.redis.hget, keys.RECORD + generation_id, "attempt")
        return int(found or 0) == attempt

    await eventually(taken, f"attempt {attempt}", 10)
    for worker in stack.workers:
        worker.signal(signal.SIGKILL)
    for worker in stack.workers:
        await worker.ended()
        worker.start()
        await worker.ready()
