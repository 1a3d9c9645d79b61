"""What is measured of ours while little else happens: pick-up, cancel, replay, the loss of a worker."""

import asyncio
import signal
import time
from collections.abc import Iterable
from typing import Any

import msgspec

from tests.bench.children import Failed
from tests.bench.figures import Failover, Reaction, Spread, spread
from tests.bench.load import Stream, get, open_stream, open_streams, post, script
from tests.bench.targets import Target

_PACE_S = 0.01
_RATE = 20.0
_SETTLE_S = 0.5


async def pick_up_ms(ours: Target, upstream: Target, count: int) -> Spread:
    """From the request, one at a time, to its job's request to the upstream."""
    sent: dict[str, float] = {}
    for number in range(count):
        message = script(rate=0, length=1, seed=number)
        stream = await open_stream(ours.port, ours.ask(message))
        sent[message] = _wall_clock_s(stream.sent_ns)
        await stream.over
    seen = await _seen(upstream)
    return spread((seen[message]["arrived"] - at) * 1000 for message, at in sent.items())


async def cancel_ms(ours: Target, upstream: Target, count: int) -> Reaction:
    """
    From the cancel request to the upstream's seeing its connection closed, and to the receipt.

    All streams run at once; they are stopped one after another.
    """
    messages = [script(rate=_RATE, length=100_000, stamp=True, seed=number) for number in range(count)]
    requests = [ours.ask(message) for message in messages]
    streams = await open_streams(ours.port, requests, ramp_s=1.0, period_s=1 / _RATE)
    await _all_begun(streams)
    sent: dict[str, float] = {}
    receipts: list[float] = []
    refused = 0
    for message, stream in zip(messages, streams, strict=True):
        request = post(f"/api/chat/{stream.header('X-Generation-Id')}/cancel", {})
        receipt = await open_stream(ours.port, request, keep=True)
        sent[message] = _wall_clock_s(receipt.sent_ns)
        await receipt.over
        receipts.append((receipt.last_read_ns - receipt.sent_ns) / 1e6)
        refused += b'"status":"cancelled"' not in receipt.body
        await asyncio.sleep(_PACE_S)
    await asyncio.wait([stream.over for stream in streams], timeout=10)
    seen = await _seen(upstream)
    closed = {message: seen[message]["disconnected"] for message in messages}
    return Reaction(
        spread((at - sent[message]) * 1000 for message, at in closed.items() if at is not None),
        spread(receipts),
        unheard=sum(at is None for at in closed.values()),
        refused=refused,
    )


async def replay_ms(ours: Target, events: int, times: int) -> Spread:
    """From the request to the end of a finished log of that many *events*."""
    first = await open_stream(ours.port, ours.ask(script(rate=0, length=events)))
    await first.over
    path = f"/api/chat/{first.header('X-Generation-Id')}/stream"
    taken: list[float] = []
    for _ in range(times):
        stream = await open_stream(ours.port, get(path), keep=True)
        await stream.over
        if (chunks := stream.body.count(b'"type":"chunk"')) != events:
            raise Failed(f"a replay gave {chunks} of {events} chunks")
        taken.append((stream.last_read_ns - stream.sent_ns) / 1e6)
    return spread(taken)


async def failover_ms(ours: Target, streams: int) -> Failover:
    """Kill the worker that has the most to do: the silence its readers see. Needs a second worker."""
    deltas = int(8 * _RATE)
    request = ours.ask(script(rate=_RATE, length=deltas, stamp=True))
    opened = await open_streams(ours.port, [request] * streams, ramp_s=1.0, period_s=1 / _RATE)
    await _all_begun(opened)
    await asyncio.sleep(1.0)
    busiest = max(ours.child.processes()["worker"], key=lambda process: sum(process.cpu_times()[:2]))
    for stream in opened:
        stream.longest_gap_ns = 0
    busiest.send_signal(signal.SIGKILL)
    await asyncio.wait([stream.over for stream in opened], timeout=60)
    # A stream whose worker lived saw none but the upstream's own pauses.
    gaps = [gap for stream in opened if (gap := stream.longest_gap_ns / 1e6) > 4000 / _RATE]
    return Failover(spread(gaps), struck=len(gaps), lost=sum(len(s.delays_ns) < deltas for s in opened))


async def _all_begun(streams: Iterable[Stream]) -> None:
    for stream in streams:
        await stream.until(lambda stream=stream: bool(stream.first_ns))  # type: ignore[misc]
        if not stream.first_ns:
            raise Failed(f"a stream ended before its first delta: {stream.head.decode(errors='replace')}")


async def _seen(upstream: Target) -> dict[str, dict[str, Any]]:
    """What the upstream saw of each message, once it has seen the last of it."""
    await asyncio.sleep(_SETTLE_S)
    answer = await open_stream(upstream.port, get("/_requests"), keep=True)
    await answer.over
    return {seen["body"]["messages"][-1]["content"]: seen for seen in msgspec.json.decode(answer.body)}


def _wall_clock_s(moment_ns: int) -> float:
    return time.time() - (time.monotonic_ns() - moment_ns) / 1e9
