"""Look, show, wait, look again; until Ctrl-C, or once."""

import asyncio
from collections.abc import Sequence

import aiohttp
from rich.console import Console
from rich.live import Live
from yarl import URL

from deploy.top.samples import Between, answering, look
from deploy.top.view import picture

#: Where `headrace up` has its workers' metrics, beside its first gateway's port.
_WORKERS_FROM = 100


class NothingThere(Exception):
    """No process answers; the message says which was asked."""


async def run(
    gateways: Sequence[str], workers: Sequence[str], every_s: float, console: Console, *, once: bool
) -> None:
    """
    Show *gateways* and *workers*, by the addresses at which they serve `/metrics`. Of one gateway alone,
    those at the ports after its own are looked for, and the workers of a `headrace up`. Raises
    `NothingThere`.
    """
    async with aiohttp.ClientSession() as http:
        if len(gateways) == 1 and not workers:
            gateways, workers = await _found(http, gateways[0])
        addresses = [*gateways, *workers]
        before = await look(http, addresses)
        if not before.pages:
            raise NothingThere(
                f"nothing answers at {', '.join(addresses)}/metrics: start it with `headrace up`, or "
                "name gateways and workers with --gateway and --worker (beyond loopback: their "
                "HEADRACE_ADMIN_PORT)"
            )
        if once:
            await asyncio.sleep(every_s)
            now = await look(http, addresses)
            console.print(picture(Between(before, now), gateways, workers))
            return
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(every_s)
                now = await look(http, addresses)
                live.update(picture(Between(before, now), gateways, workers), refresh=True)
                before = now


async def _found(http: aiohttp.ClientSession, gateway: str) -> tuple[list[str], list[str]]:
    try:
        url = URL(gateway)
        first = url.with_port(url.port).port or 80
    except ValueError as error:
        raise NothingThere(f"{gateway} is no address such as http://127.0.0.1:8000") from error

    def at(port: int) -> str:
        return str(url.with_port(port)).rstrip("/")

    gateways = await answering(http, at, first)
    return gateways or [gateway], await answering(http, at, first + _WORKERS_FROM)
