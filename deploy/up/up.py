"""`headrace up`: everything as children of one process; none of them outlives it, however it ends."""

import asyncio
import signal
from collections.abc import Awaitable
from contextlib import suppress

import aiohttp

from deploy.up.data_directory import DataDirectory
from deploy.up.embedded import Embedded
from deploy.up.guard import Leash
from deploy.up.options import Options
from deploy.up.stack import Stack
from shared.settings import Settings

_PROBE_TIMEOUT = aiohttp.ClientTimeout(total=2)


def say(line: str) -> None:
    """Tell the user; a reader of our output that went away is no reason to stop."""
    with suppress(BrokenPipeError):
        print(line, flush=True)


async def run(options: Options, settings: Settings, embedded: Embedded | None) -> None:
    """
    Run everything until SIGINT, SIGTERM or SIGHUP; *embedded* is the model to serve, if one is.

    Raises `CannotStart` or `StartFailed`.
    """
    stop = asyncio.Event()
    with DataDirectory(options.data, say) as data, Leash(data.register) as leash:
        async with aiohttp.ClientSession(timeout=_PROBE_TIMEOUT) as http:
            stack = Stack(options, settings, embedded, data, leash, http, say)

            def asked_to_stop() -> None:
                if stop.is_set():
                    stack.kill()
                stop.set()

            loop = asyncio.get_running_loop()
            for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(signum, asked_to_stop)
            stopping = asyncio.create_task(stop.wait())
            try:
                if await _before(stopping, stack.start()):
                    say(f"Headrace is ready at {' and '.join(stack.addresses)}")
                    await _before(stopping, stack.watch())
                say("Headrace is stopping")
            finally:
                stopping.cancel()
                await stack.stop()


async def _before(stopping: asyncio.Task[bool], work: Awaitable[None]) -> bool:
    """Whether *work* was done before we were asked to stop; if not, it is cancelled."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
        return True
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return False
