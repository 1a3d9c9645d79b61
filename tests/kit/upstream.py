"""
A fake OpenAI-compatible server that answers, and fails, as each request tells it to.

In a test: `async with FakeUpstream(rate=20) as upstream: upstream.url`. As a process:
`python -m tests.kit.upstream --rate 20 --length 100`, which prints its address. A last user message
`/script {"break_after": 3}` overrides its behaviour for one request. It remembers every request and
the moment its client went away: see `Seen`, and `GET /_requests`.

A thousand streams cost it little: all of one rate hang on one timer, and a delta is one write of bytes
made beforehand.
"""

import argparse
import asyncio
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, Self

import msgspec
from aiohttp import web

from tests.kit.upstream_frames import (
    Act,
    BadPrefix,
    Behaviour,
    Step,
    plan,
    stamp_frame,
    text_deltas,
    tool_call_pieces,
    usage,
)

#: What falls due within this shares a wake-up.
_TICK_S = 0.001
_REMEMBERED_REQUESTS = 100_000
_OVERRIDE = "/script "


class Seen(msgspec.Struct, kw_only=True):
    """One request, as it looked from here. Moments are seconds since the epoch."""

    number: int
    arrived: float
    client_port: int
    authorization: str | None
    body: dict[str, Any]
    #: Steps written so far: deltas, and one for the answer's end.
    steps: int = 0
    #: When the client was seen to have gone although its answer was not whole.
    disconnected: float | None = None
    #: When the answer was whole, or cut as it was told to be.
    ended: float | None = None

    @property
    def message(self) -> str:
        """The last thing the user said."""
        said = [m for m in self.body.get("messages") or [] if m.get("role") == "user"]
        content = said[-1].get("content") if said else ""
        return content if isinstance(content, str) else ""

    @property
    def prefix(self) -> str:
        """The answer's beginning that it is to go on from."""
        last = (self.body.get("messages") or [{}])[-1]
        return str(last.get("content") or "") if last.get("role") == "assistant" else ""


_STAMP_BEFORE, _STAMP_AFTER = stamp_frame()


class _Answer:
    """A streamed answer under way."""

    def __init__(self, transport: asyncio.Transport, steps: Sequence[Step], seen: Seen) -> None:
        self._transport = transport
        self._steps = steps
        self._seen = seen
        #: Loop time of the next step.
        self.due = 0.0
        #: How it ended, once it has.
        self.over: asyncio.Future[Act] = asyncio.get_running_loop().create_future()

    def step(self) -> bool:
        """Go one step; False when there is none any more."""
        step = self._steps[self._seen.steps]
        if isinstance(step, bytes):
            self._transport.write(step)
        elif step is Act.STAMP:
            self._transport.write(b"%s%020d%s" % (_STAMP_BEFORE, time.monotonic_ns(), _STAMP_AFTER))
        else:
            if step is not Act.STALL and not self.over.done():
                self.over.set_result(step)
            return False
        self._seen.steps += 1
        return True


class _Pace:
    """
    All answers of one rate, on one timer.

    Each is due a period after its last step, so appending keeps the queue in order.
    """

    def __init__(self, rate: float) -> None:
        self._period_s = 1 / rate
        self._queue: deque[_Answer] = deque()
        self._ticking = False

    def add(self, answer: _Answer) -> None:
        loop = asyncio.get_running_loop()
        if answer.over.done() or not answer.step():
            return
        answer.due = loop.time() + self._period_s
        self._queue.append(answer)
        if not self._ticking:
            self._ticking = True
            loop.call_at(answer.due, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        queue, period_s, now = self._queue, self._period_s, loop.time()
        while queue and queue[0].due <= now:
            answer = queue.popleft()
            if not answer.over.done() and answer.step():
                answer.due += period_s
                queue.append(answer)
        self._ticking = bool(queue)
        if queue:
            loop.call_at(max(queue[0].due, now + _TICK_S), self._tick, loop)


class FakeUpstream:
    """The server. Its behaviour may be changed while it runs; a running answer keeps its own."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, **behaviour: Any) -> None:
        self.behaviour = Behaviour(**behaviour)
        #: The newest requests, oldest first.
        self.requests: deque[Seen] = deque(maxlen=_REMEMBERED_REQUESTS)
        self._host = host
        self._port = port
        self._arrivals: Counter[str] = Counter()
        self._number = 0
        self._paces: dict[float, _Pace] = {}
        self._changed = asyncio.Event()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.add_routes(
            [
                web.post("/v1/chat/completions", self._complete),
                web.get("/v1/models", self._models),
                web.get("/_requests", self._show),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port, backlog=4096).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """What a model's `base_url` is to be."""
        return f"http://{self._host}:{self._port}/v1"

    async def until(self, predicate: Callable[[], bool], timeout_s: float = 5) -> None:
        """Wait until *predicate* holds; looked at whenever a request arrives, ends or is left."""
        async with asyncio.timeout(timeout_s):
            while not predicate():
                self._changed.clear()
                await self._changed.wait()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        arrived = time.time()
        body = msgspec.json.decode(await request.read())
        self._number += 1
        seen = Seen(
            number=self._number,
            arrived=arrived,
            client_port=request.transport.get_extra_info("peername")[1] if request.transport else 0,
            authorization=request.headers.get("Authorization"),
            body=body,
        )
        self.requests.append(seen)
        self._changed.set()
        try:
            response = await self._answer(request, seen)
            seen.ended = time.time()
        except BadPrefix:
            return _refusal(400, "The answer does not begin with this.", None)
        except asyncio.CancelledError:
            seen.disconnected = time.time()
            raise
        finally:
            self._changed.set()
        return response

    def _behaviour_for(self, seen: Seen) -> Behaviour:
        behaviour = self.behaviour
        if seen.message.startswith(_OVERRIDE):
            overrides = msgspec.json.decode(seen.message[len(_OVERRIDE) :])
            behaviour = msgspec.convert({**msgspec.structs.asdict(behaviour), **overrides}, Behaviour)
        self._arrivals[seen.message] += 1
        if behaviour.fail_times is not None and self._arrivals[seen.message] > behaviour.fail_times:
            return behaviour.kindly()
        return behaviour

    async def _answer(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        b = self._behaviour_for(seen)
        if b.never_answer:
            await asyncio.get_running_loop().create_future()
        if b.close_unannounced and sum(s.client_port == seen.client_port for s in self.requests) > 1:
            assert request.transport is not None
            _cut(request.transport, reset=False)
            await asyncio.get_running_loop().create_future()
        if b.status != 200:
            return _refusal(b.status, b.message, b.retry_after)
        if b.whole or not seen.body.get("stream"):
            await asyncio.sleep(b.first_token_delay_s)
            return _whole(b, seen)
        include_usage = bool((seen.body.get("stream_options") or {}).get("include_usage"))
        planned = plan(b, seen.message if b.echo else "", seen.prefix, include_usage)
        response = web.StreamResponse(
            headers={"Content-Type": b.content_type or "text/event-stream", "Cache-Control": "no-cache"}
        )
        response.enable_chunked_encoding()
        await response.prepare(request)
        assert request.transport is not None
        answer = _Answer(request.transport, planned.steps, seen)
        if b.first_token_delay_s:
            await asyncio.sleep(b.first_token_delay_s)
        try:
            act = await self._play(answer, b.rate)
        finally:
            answer.over.cancel()
        if act is not Act.END:
            seen.ended = time.time()
            _cut(request.transport, reset=act is Act.RESET)
        else:
            await response.write_eof()
        return response

    async def _play(self, answer: _Answer, rate: float) -> Act:
        if rate:
            pace = self._paces.get(rate) or self._paces.setdefault(rate, _Pace(rate))
            pace.add(answer)
        else:
            while answer.step():
                pass
        return await answer.over

    async def _models(self, _: web.Request) -> web.Response:
        return _json({"object": "list", "data": [{"id": "fake", "object": "model", "owned_by": "tests"}]})

    async def _show(self, _: web.Request) -> web.Response:
        return _json(list(self.requests))


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(content), status=status, headers=headers, content_type="application/json"
    )


def _refusal(status: int, message: str, retry_after: str | None) -> web.Response:
    headers = {"Retry-After": retry_after} if retry_after is not None else None
    return _json(
        {"error": {"message": message, "type": "fake", "param": None, "code": None}}, status, headers
    )


def _whole(b: Behaviour, seen: Seen) -> web.Response:
    deltas = text_deltas(b, seen.message, seen.prefix)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(deltas)}
    if b.tool_call:
        first, *rest = tool_call_pieces()
        for piece in rest:
            first["function"]["arguments"] += piece["function"]["arguments"]
        message["tool_calls"] = [first]
    choice = {"index": 0, "message": message, "finish_reason": b.finish_reason}
    content: dict[str, Any] = {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "model": "fake",
        "choices": [choice],
    }
    if b.usage:
        content["usage"] = usage(len(deltas))
    return _json(content)


def _cut(transport: asyncio.Transport, *, reset: bool) -> None:
    if reset:
        # Lingering for no time makes closing a reset.
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.close()


async def _serve(host: str, port: int, behaviour: dict[str, Any]) -> None:
    async with FakeUpstream(host, port, **behaviour) as upstream:
        print(upstream.url, flush=True)
        await asyncio.get_running_loop().create_future()


def main() -> None:
    """Serve until stopped."""
    import uvloop

    parser = argparse.ArgumentParser(prog="python -m tests.kit.upstream", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--rate", type=float, default=20, help="deltas a second; 0 sends all at once")
    parser.add_argument("--length", type=int, default=100, help="deltas of an answer")
    parser.add_argument("--first-token-delay-s", type=float, default=0)
    parser.add_argument(
        "--stamp", action="store_true", help="deltas say when they were written (monotonic ns)"
    )
    options = vars(parser.parse_args())
    host, port = options.pop("host"), options.pop("port")
    try:
        uvloop.run(_serve(host, port, options))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
