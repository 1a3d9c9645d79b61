"""A gateway process: listens until it is told to stop, then sends its readers elsewhere."""

import asyncio
import signal
import sys

import structlog
import uvloop
from aiohttp import web

from gateway.app import make_app
from gateway.edge.connections import Runner
from gateway.edge.state import STATE
from shared import models, tracing
from shared.logs import configure
from shared.settings import Settings
from shared.startup import SettingsWrong, prepare_process, read_settings, refuse_half_an_issuer

logger = structlog.get_logger("gateway.process")


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises what ended the relay, if anything ever does."""
    settings.refuse_open_door()
    refuse_half_an_issuer(settings)
    app = make_app(settings, models.load(settings.models))
    # aiohttp waits for handlers so long, then as long again, and only then cancels them.
    runner = Runner(app, settings, shutdown_timeout=settings.drain_grace_s / 2)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
        if settings.admin_port is not None:
            await web.TCPSite(runner, settings.admin_host, settings.admin_port).start()
            app[STATE].admin_port = runner.addresses[-1][1]
        logger.info("gateway is ready", addresses=[f"{a[0]}:{a[1]}" for a in runner.addresses])
        state = app[STATE]
        stopping = asyncio.create_task(_set(stop))
        relaying = state.relaying or stopping
        confirming = asyncio.create_task(state.broker.confirm())
        try:
            await asyncio.wait([stopping, relaying, confirming], return_when=asyncio.FIRST_COMPLETED)
            if confirming.done():
                confirming.result()
                await asyncio.wait([stopping, relaying], return_when=asyncio.FIRST_COMPLETED)
        finally:
            confirming.cancel()
        if relaying.done():
            relaying.result()
        logger.info("draining", streams=state.relay.open_streams)
        state.draining = True
        state.relay.drain()
    finally:
        await runner.cleanup()


async def _set(signal: asyncio.Event) -> None:
    await signal.wait()


def main() -> None:
    """`python -m gateway`: settings come from the environment."""
    try:
        settings = read_settings(listens=True)
        configure(settings)
        prepare_process()
        tracing.begin(settings, "headrace-gateway")
        uvloop.run(run(settings))
    except SettingsWrong as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"headrace gateway: {error}")
    finally:
        tracing.end()
