"""
`python -m tests.bench.scrape`: what a scrape costs a gateway with many open streams, in CPU and in waiting.

Ends with 1 where that is more than it may.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import ChatClient, script
from tests.kit.program import Program
from tests.kit.stack import MODELS, Stack

#: A scrape may take so much of a gateway's core.
MOST_S = 0.020
_SCRAPES = 40
_MANY = "\n[models.many]\nbackend = 'scripted'\nconcurrency = {}\n"


async def measure(streams: int) -> float:
    """CPU seconds of the gateway a scrape; prints what else there is to know."""
    broker = EmbeddedBroker()
    broker.start()
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(broker, Path(folder), models=MODELS + _MANY.format(streams))
        try:
            await stack.begin(gateways=1, workers=1)
            connector, timeout = TCPConnector(limit=0), ClientTimeout(total=None)
            async with ClientSession(connector=connector, timeout=timeout) as http, AsyncExitStack() as held:
                chat = ChatClient(http, stack.gateways[0].url)
                for _ in range(0, streams, 50):
                    some = [chat.send(script(length=100_000, rate=1), model="many") for _ in range(50)]
                    for reader in await asyncio.gather(*some):
                        await held.enter_async_context(reader)
                cost_s = await _cost(http, stack.gateways[0], streams)
        finally:
            for program in (*stack.gateways, *stack.workers):
                program.kill()
            broker.remove()
    return cost_s


async def _cost(http: ClientSession, gateway: Program, streams: int) -> float:
    began, before = time.monotonic(), _cpu_s(gateway)
    await asyncio.sleep(5)
    idle = (_cpu_s(gateway) - before) / (time.monotonic() - began)
    began, before, waits, size = time.monotonic(), _cpu_s(gateway), [], 0
    for _ in range(_SCRAPES):
        asked = time.monotonic()
        async with http.get(gateway.url + "/metrics") as response:
            size = len(await response.read())
        waits.append(time.monotonic() - asked)
        await asyncio.sleep(0.1)
    cpu_s = _cpu_s(gateway) - before - idle * (time.monotonic() - began)
    print(
        f"{streams} streams: {1000 * cpu_s / _SCRAPES:.1f} ms of the gateway's CPU a scrape, "
        f"answered after {1000 * statistics.median(waits):.1f} ms (median; most {1000 * max(waits):.1f} ms), "
        f"{size / 1000:.0f} KB"
    )
    return cpu_s / _SCRAPES


def _cpu_s(program: Program) -> float:
    fields = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    sys.exit(asyncio.run(measure(parser.parse_args().streams)) > MOST_S)
