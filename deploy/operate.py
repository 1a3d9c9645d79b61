"""`headrace top` and `headrace doctor`: what runs, and whether it will go on."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console

#: Of an output that is no terminal: wide enough for its tables.
_WIDTH = 140


def top(
    *,
    gateway: list[str] | None = None,
    worker: list[str] | None = None,
    every: Annotated[float, Parameter(validator=Number(gte=0.1))] = 2,
    once: bool = False,
) -> None:
    """Show streams, queue, workers, rates, latencies and upstreams, live. Ctrl-C ends it.

    Parameters
    ----------
    gateway
        Where a gateway serves /metrics [default: those of a `headrace up` in this folder, or
        http://127.0.0.1:8000 and what is beside it]. Beyond loopback that is its HEADRACE_ADMIN_PORT. May be
        given several times.
    worker
        Where a worker does, likewise.
    every
        Seconds between two looks.
    once
        Show what happens between two looks, and end.
    """
    from deploy.top.top import NothingThere, run
    from deploy.up import found

    there = found.faces() if not gateway and not worker else None
    if there is not None:
        gateway, worker = there.gateways, there.workers
    try:
        asyncio.run(run(gateway or found.gateways(), worker or [], every, _console(), once=once))
    except KeyboardInterrupt:
        pass
    except NothingThere as error:
        sys.exit(f"headrace: {error}")


def doctor(
    *,
    url: list[str] | None = None,
    api_key_env: str = "HEADRACE_API_KEY",
    upstreams: bool = True,
    data: Path = Path(".headrace"),
) -> None:
    """Look at settings, broker, gateway, proxies and upstreams, and say what to do. Ends with 1 if need be.

    Parameters
    ----------
    url
        Where clients reach Headrace, through its proxy if there is one [default: the gateways of a
        `headrace up` whose files are in --data, or http://127.0.0.1:8000]. It is asked something short. May
        be given several times.
    api_key_env
        The environment variable that holds an API key, if the gateway wants one.
    upstreams
        Ask each upstream a few tiny questions, as `headrace models check` does.
    data
        Where a `headrace up` has its files, whose broker is meant if HEADRACE_REDIS_URL names none.
    """
    from deploy.doctor.doctor import run
    from deploy.up import found

    well = asyncio.run(
        run(url or found.gateways(data), os.environ.get(api_key_env), _console(), data, upstreams=upstreams)
    )
    sys.exit(0 if well else 1)


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=_WIDTH)
