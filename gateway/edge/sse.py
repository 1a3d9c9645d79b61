"""
Writing an event stream: headers, frames, heartbeats, the reader that must move, the reader that left.

Frames as https://html.spec.whatwg.org/multipage/server-sent-events.html has them.
"""

import random
import time

from aiohttp import web
from aiohttp.client_exceptions import ClientConnectionResetError

from gateway.edge.sound import filled
from gateway.edge.state import ACCEPTED_AT, STATE
from gateway.relay.feed import Subscriber
from shared import metrics
from shared.errors import AccessEnded, Draining, Gone, Internal
from shared.events import now_ms

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "private, no-cache, no-transform",
    # nginx would gather frames otherwise.
    "X-Accel-Buffering": "no",
}


async def stream(
    request: web.Request,
    subscriber: Subscriber,
    headers: dict[str, str],
    *,
    model: str,
    retry_ms: int,
    whole: bool = False,
) -> web.StreamResponse:
    """
    Write everything *subscriber* reads, until its terminal event or until the client leaves.

    A *whole* stream is one from the very start: where its dialect's clients tell a failure by the status,
    that of a generation which fails before it says anything is raised.
    """
    response = announced(request, headers)
    dialect = subscriber.dialect
    began: float | None = request.get(ACCEPTED_AT)
    first = b""
    if whole and dialect.status_waits_s:
        first = await subscriber.first_words(dialect.status_waits_s)
    try:
        await response.prepare(request)
        with metrics.open_streams.labels(dialect.name).track_inprogress():
            # Neither this nor a comment has an empty line after it: clients would read a frame without data.
            if dialect.hears_retry:
                await response.write(b"retry: %d\n" % retry_ms)
            try:
                while data := first or await subscriber.read():
                    first = b""
                    if dialect.has_places:
                        audio, sound = request.app[STATE].audio, data
                        async for part in filled(audio, subscriber.generation.id, sound):
                            await response.write(part)
                    else:
                        # The last words and the body's end share a write, and a wake-up of the client.
                        await (response.write_eof(data) if subscriber.finished else response.write(data))
                    if subscriber.read_ts is not None:
                        metrics.relay_delay.observe(max(0, now_ms() - subscriber.read_ts) / 1000)
                    if began is not None and subscriber.answered:
                        now = time.monotonic()
                        metrics.ttft.labels(metrics.labelled(model), dialect.name).observe(now - began)
                        began = None
                    if subscriber.finished:
                        break
            except AccessEnded as error:
                await response.write(dialect.refuse(subscriber.generation, error))
            except (Draining, Gone, Internal) as error:
                if not dialect.comes_back or isinstance(error, Internal):
                    _cut(request)
                elif isinstance(error, Draining):
                    wait_ms = reconnect_ms(retry_ms)
                    await response.write(b"retry: %d\n: this gateway is going away\n" % wait_ms)
                else:
                    await response.write(b": the log has expired\n")
        await response.write_eof()
    except (ConnectionResetError, ClientConnectionResetError):
        # The client left; its stream goes on without it, or is abandoned by the worker.
        pass
    return response


def announced(request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
    """A stream's answer of which nothing is sent yet; for HEAD, all of it."""
    heartbeat_ms = round(request.app[STATE].settings.heartbeat_s * 1000)
    return web.StreamResponse(headers={**HEADERS, "X-Heartbeat-Ms": str(heartbeat_ms), **headers})


def _cut(request: web.Request) -> None:
    """Close the connection after what is written, without the body's end."""
    if request.transport is not None:
        request.transport.close()


def reconnect_ms(base_ms: int) -> int:
    """What a reader that must move is told to wait: spread, so that not all come back at once."""
    return base_ms // 2 + random.randrange(base_ms + 1)
