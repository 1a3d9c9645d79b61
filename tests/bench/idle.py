"""Memory: what one open stream costs on which nothing happens."""
# Only `make bench` installs what is imported here, but the code is checked everywhere.
# mypy: disable-error-code="import-not-found,import-untyped"

import asyncio

import psutil

from tests.bench.children import Failed
from tests.bench.load import Stream, get, open_stream, open_streams, script
from tests.bench.targets import Target

_RAMP_S = 2.0
_PERIOD_S = 0.05
#: Opened and closed beforehand, so that what a process sets up once is not counted.
_WARM_UP_STREAMS = 50
_SETTLE_S = 1.5


async def bytes_per_resumed_stream(ours: Target, streams: int) -> float:
    """
    Resident memory that a stream adds to the gateway where it is resumed.

    Each is of a generation of its own, begun at the first gateway, whose model says nothing. All
    are resumed at the second, which therefore has held nothing else before.
    """
    message = script(stall_after=0)
    second = sorted(ours.child.processes()["gateway"], key=lambda process: process.pid)[1]
    begun = await open_streams(ours.port, [ours.ask(message)] * streams, _RAMP_S, _PERIOD_S)
    await _answered(begun)
    requests = [get(f"/api/chat/{stream.header('X-Generation-Id')}/stream") for stream in begun]
    grown = await _growth(second, ours.ports[1], requests)
    for stream in begun:
        stream.close()
    return grown


async def bytes_per_bare_stream(aiohttp_peer: Target, streams: int) -> float:
    """The same of a handler that only waits: aiohttp's own floor."""
    (process,) = aiohttp_peer.child.processes()["proxy"]
    return await _growth(process, aiohttp_peer.port, [get("/idle")] * streams)


async def _growth(process: psutil.Process, port: int, requests: list[bytes]) -> float:
    for warm_up in [await open_stream(port, request) for request in requests[:_WARM_UP_STREAMS]]:
        await _answered([warm_up])
        warm_up.close()
    await asyncio.sleep(_SETTLE_S)
    before: int = process.memory_info().rss
    streams = await open_streams(port, requests, _RAMP_S, _PERIOD_S)
    await _answered(streams)
    await asyncio.sleep(_SETTLE_S)
    grown: int = process.memory_info().rss - before
    for stream in streams:
        stream.close()
    return grown / len(streams)


async def _answered(streams: list[Stream]) -> None:
    for stream in streams:
        await stream.until(lambda stream=stream: bool(stream.head))  # type: ignore[misc]
        if not stream.ok:
            raise Failed(f"a stream was refused: {stream.head.decode(errors='replace')}")
