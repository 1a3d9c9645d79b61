"""`headrace up`: everything as children of one process; none of them outlives it, however it ends."""

import asyncio
import signal
import sys
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from deploy.up import ports
from deploy.up.child import Say
from deploy.up.data_directory import DataDirectory
from deploy.up.embedded import Embedded
from deploy.up.guard import Leash
from deploy.up.options import Options
from deploy.up.stack import Stack
from deploy.up.upstreams import shown
from shared.models import Models
from shared.settings import Settings

_PROBE_TIMEOUT = aiohttp.ClientTimeout(total=2)


def say(line: str) -> None:
    """
    Tell the user, a line at once: `print` writes its end apart where nothing is buffered, and something else
    may come between. A reader of our output that went away is no reason to stop.
    """
    with suppress(BrokenPipeError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def check_place(options: Options, say: Say) -> None:
    """
    Whether there is room for it here, before anything takes its time. Raises `DataDirectoryUnusable` and
    `PortTaken`.
    """
    with DataDirectory(options.data, say):
        for port in range(options.port, options.port + options.gateways) if options.port else ():
            ports.check(options.host, port)


async def run(options: Options, settings: Settings, embedded: Embedded | None) -> signal.Signals | None:
    """
    Run everything until SIGINT, SIGTERM or SIGHUP; *embedded* is the model to serve, if one is. Gives the
    signal where it came before all was ready.

    Raises `CannotStart` or `StartFailed`.
    """
    stop: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()
    is_ready = False
    with DataDirectory(options.data, say) as data, Leash(data.register) as leash:
        async with aiohttp.ClientSession(timeout=_PROBE_TIMEOUT) as http:
            stack = Stack(options, settings, embedded, data, leash, http, say)

            def asked_to_stop(signum: signal.Signals) -> None:
                if stop.done():
                    stack.kill()
                else:
                    stop.set_result(signum)

            loop = asyncio.get_running_loop()
            for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(signum, asked_to_stop, signum)
            try:
                if is_ready := await _before(stop, stack.start()):
                    say(f"Headrace is ready at {' and '.join(stack.addresses)}")
                    for line in facts(stack.models, embedded, data.logs):
                        say(f"  {line}")
                    await _before(stop, stack.watch())
                say("Headrace is stopping")
            finally:
                await stack.stop()
    return None if is_ready or not stop.done() else stop.result()


def facts(known: Models | None, embedded: Embedded | None, logs: Path) -> list[str]:
    """What whoever has started it wants to know next: which model answers, where logs are, how to stop."""
    lines = []
    if embedded is not None:
        lines.append(f"model: {embedded.title}, on this machine")
        if embedded.toy:
            lines.append("       a toy, to try Headrace with; a better one: --upstream URL --model NAME")
    elif known is not None:
        server = known.by_name[known.default]
        others = f", and {len(known.by_name) - 1} more" if len(known.by_name) > 1 else ""
        where = f", at {shown(server.base_url)}" if server.base_url else ""
        lines.append(f"model: {known.default}{others}{where}")
    return [*lines, f"logs:  {logs}", "stop:  Ctrl-C"]


async def _before(stopping: asyncio.Future[signal.Signals], work: Awaitable[None]) -> bool:
    """Whether *work* was done before we were asked to stop; if not, it is cancelled."""
    task = asyncio.ensure_future(work)
    waited_for: set[asyncio.Future[Any]] = {task, stopping}
    await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
        return True
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return False
