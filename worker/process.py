"""A worker process: one leased worker a queue, what they share, and its small HTTP face."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import structlog
import uvloop
from aiohttp import web

from shared import metrics, models, tracing
from shared.blobs import Blobs
from shared.broker import Broker
from shared.channels import Channels
from shared.conversations import Conversations
from shared.errors import Unavailable
from shared.event_log import EventLog
from shared.logs import configure
from shared.queue import Queue
from shared.readiness import Readiness
from shared.settings import Settings
from shared.speech import QUEUE as SPEECH
from shared.startup import SettingsWrong, prepare_process, read_settings
from worker.appenders import Appenders
from worker.attempt import generate
from worker.backends.choice import unusable
from worker.cancels import Cancels
from worker.health import Health
from worker.leased_worker import LeasedWorker
from worker.listing import Listing
from worker.registry import Registry
from worker.speech.speaking import Speaking
from worker.state import Tools
from worker.upstreams import Upstreams

logger = structlog.get_logger("worker.process")


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then drain; a second signal hands everything back at once."""
    known = models.load(settings.models)
    metrics.know([*known.by_name, SPEECH])
    broker = Broker(settings)
    queue, log = Queue(broker, lease_s=settings.lease_s), EventLog(broker)
    cancels, channels, appenders = Cancels(), Channels(broker, "worker"), Appenders(broker, settings)
    cancels.follow(channels, broker.cells)
    registry = Registry(broker, queue, cancels, settings)
    upstreams = Upstreams(known)
    tools = Tools(
        settings=settings,
        broker=broker,
        channels=channels,
        models=known,
        upstreams=upstreams,
        log=log,
        conversations=Conversations(broker),
        blobs=Blobs(broker),
        queue=queue,
        appenders=appenders,
        registry=registry,
    )
    workers = [
        LeasedWorker(broker, channels, name, concurrency, tools, generate)
        for name, concurrency in known.queues.items()
    ]
    speaking = Speaking(broker, channels, tools)
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, lambda: hurry.set() if stop.is_set() else stop.set())
    face = await _face(settings, broker, channels, stop)
    stopping = asyncio.create_task(_set(stop))
    tasks: list[asyncio.Task[None]] = [asyncio.create_task(broker.confirm())]
    try:
        await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            tasks[0].result()
            owned: list[Coroutine[Any, Any, None]] = [appenders.run(), registry.keep_leases(), channels.run()]
            owned += [Health(broker, upstreams).run(), Listing(broker, upstreams).run()]
            tasks = [asyncio.create_task(coroutine) for coroutine in owned]
            tasks += [asyncio.create_task(worker.async_run()) for worker in workers]
            tasks.append(asyncio.create_task(_for_ever(speaking.run())))
        done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        logger.info("draining", grace_s=settings.drain_grace_s)
        hurried = asyncio.create_task(_set(hurry))
        draining = [worker.drain(settings.drain_grace_s, hurried) for worker in workers]
        await asyncio.gather(*draining, speaking.drain(settings.drain_grace_s, hurried))
        hurried.cancel()
    finally:
        for task in (stopping, *tasks):
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await speaking.close()
        await upstreams.close()
        await face.cleanup()
        await broker.close()


async def _for_ever(work: Coroutine[Any, Any, None]) -> None:
    """*work* may end where there is nothing to do; that ends no process."""
    await work
    await asyncio.get_running_loop().create_future()


async def _set(signal: asyncio.Event) -> None:
    await signal.wait()


async def _face(
    settings: Settings, broker: Broker, channels: Channels, stopping: asyncio.Event
) -> web.AppRunner:
    readiness = Readiness(broker, full_is_ready=True)

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(_: web.Request) -> web.Response:
        try:
            await readiness.check()
        except Unavailable as error:
            return web.json_response({"status": error.message}, status=503)
        if stopping.is_set():
            return web.json_response({"status": "draining"}, status=503)
        return web.json_response({"status": "ok", "away": channels.away()})

    async def expose(_: web.Request) -> web.Response:
        body, content_type = metrics.expose()
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def close(_: web.Application) -> None:
        await readiness.close()

    app = web.Application()
    app.on_cleanup.append(close)
    app.add_routes([web.get("/livez", live), web.get("/readyz", ready), web.get("/metrics", expose)])
    # Nobody reads a body here, so none is ever decoded.
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, settings.metrics_host, settings.metrics_port)
    await site.start()
    logger.info("worker is ready", metrics=str(site.name))
    return runner


def main() -> None:
    """`python -m worker`: settings come from the environment."""
    try:
        settings = read_settings(unusable=unusable)
        configure(settings)
        prepare_process()
        tracing.begin(settings, "headrace-worker")
        uvloop.run(run(settings))
    except SettingsWrong as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"headrace worker: {error}")
    finally:
        tracing.end()
