"""Alerts that a fault can cause here fire in a real Prometheus under that fault."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from shared import keys
from tests.kit import debian
from tests.kit.broker import EmbeddedBroker
from tests.kit.busy import BUSY_MODELS, keys_of
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.prometheus import Prometheus
from tests.kit.stack import Stack

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


@pytest.fixture
async def broker() -> AsyncIterator[EmbeddedBroker]:
    """One that may be filled up and killed."""
    broker = EmbeddedBroker()
    broker.start()
    yield broker
    broker.remove()


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_alerts_under_faults(broker: EmbeddedBroker, tmp_path: Path, session: ClientSession) -> None:
    """
    Upstreams that fail and refuse, budgets, replicas that are missing, a full broker, workers stopped and
    killed, a broker and a gateway that are gone, and nobody left to work.
    """
    if debian.program("prometheus") is None:
        pytest.skip("needs prometheus")
    settings: dict[str, Any] = {
        "auth": "keys",
        "lease_s": 1,
        "min_replicas": 1,
        "replication_timeout_s": 0.02,
        "max_wait_s": 1,
    }
    models = BUSY_MODELS.replace("cool_down_s = 1", "cool_down_s = 30") + GONE
    stack = Stack(broker, tmp_path, models=models, upstream=True, **settings)
    async with AsyncExitStack() as held:
        try:
            await stack.begin(gateways=2, workers=2)
            key_of = await keys_of(stack)
            chat = ChatClient(session, stack.gateways[0].url, key_of["acme"])
            bounded = ChatClient(session, stack.gateways[0].url, key_of["bounded"])
            jobs = {
                "headrace-gateway": [gateway.port for gateway in stack.gateways],
                "headrace-worker": [worker.port for worker in stack.workers],
            }
            prometheus = await held.enter_async_context(Prometheus(tmp_path, jobs, session, hold="1s"))

            async def fires(*names: str, timeout_s: float = 30) -> None:
                async def firing() -> bool:
                    return set(names) <= await prometheus.firing("firing")

                await eventually(firing, f"{names} fire", timeout_s)

            await prometheus.scrapes_all()
            # Upstreams.
            for _ in range(6):
                await chat.ask(model="broken")
                await chat.ask(model="gone")
            await chat.ask(script(status=401), model="upstream")
            await fires("HeadraceUpstreamOpen", "HeadraceModelDown", "HeadraceUpstreamFailing")
            await fires("HeadraceUpstreamRefusesUs", "HeadraceRepliesFailFast", "HeadraceUnreplicated")
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
            readers = [
                await held.enter_async_context(await chat.send(LONG, model="priced")) for _ in range(6)
            ]
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
        finally:
            for program in (*stack.gateways, *stack.workers):
                program.kill()
            if stack.upstream is not None:
                stack.upstream.kill()
