"""
A fake OpenAI-compatible server that answers, and fails, as each request tells it to.

In a test: `async with FakeUpstream(rate=20) as upstream: upstream.url`. As a process:
`python -m tests.kit.upstream --rate 20 --length 100`, which prints its address. A last user message
`/script {"break_after": 3}` overrides its behaviour for one request. It remembers every request and
the moment its client went away: see `Seen`, and `GET /_requests`, which `DELETE` empties.

A thousand streams cost it little: all of one rate hang on one timer, and a delta is one write of bytes
made beforehand.
"""

import argparse
import asyncio
import json
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Self

import msgspec
from aiohttp import web

from tests.kit.upstream_frames import (
    Act,
    BadPrefix,
    Behaviour,
    plan,
    text_deltas,
    tool_call_pieces,
    usage,
)
from tests.kit.upstream_pace import Answer, Pace, Seen

_REMEMBERED_REQUESTS = 100_000
_OVERRIDE = "/script "
_JSON = json.JSONDecoder()


class FakeUpstream:
    """The server. Its behaviour may be changed while it runs; a running answer keeps its own."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, **behaviour: Any) -> None:
        self.behaviour = Behaviour(**behaviour)
        #: The newest requests, oldest first.
        self.requests: deque[Seen] = deque(maxlen=_REMEMBERED_REQUESTS)
        #: What it lists.
        self.models = ["fake"]
        self._host = host
        self._port = port
        self._arrivals: Counter[str] = Counter()
        self._number = 0
        self._paces: dict[float, Pace] = {}
        self._changed = asyncio.Event()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.add_routes(
            [
                web.post("/v1/chat/completions", self._complete),
                web.get("/v1/models", self._models),
                web.get("/_requests", self._show),
                web.delete("/_requests", self._forget),
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
        # Some clients put words of their own before what their user says.
        _, told, said = seen.message.rpartition(_OVERRIDE)
        overrides, end = _JSON.raw_decode(said) if told else ({}, 0)
        # Of messages that were joined because an earlier one had no answer, the last counts.
        if not said[end:].strip():
            behaviour = msgspec.convert({**msgspec.structs.asdict(behaviour), **overrides}, Behaviour)
        if seen.called:
            behaviour = msgspec.structs.replace(behaviour, tool_call=False)
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
        planned = plan(b, seen.message if b.echo else "", seen.prefix, include_usage, seen.stop)
        response = web.StreamResponse(
            headers={"Content-Type": b.content_type or "text/event-stream", "Cache-Control": "no-cache"}
        )
        response.enable_chunked_encoding()
        await response.prepare(request)
        assert request.transport is not None
        answer = Answer(request.transport, planned.steps, seen)
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

    async def _play(self, answer: Answer, rate: float) -> Act:
        if rate:
            pace = self._paces.get(rate) or self._paces.setdefault(rate, Pace(rate))
            pace.add(answer)
        else:
            while answer.step():
                pass
        return await answer.over

    async def _models(self, _: web.Request) -> web.Response:
        listed = [{"id": name, "object": "model", "owned_by": "tests"} for name in self.models]
        return _json({"object": "list", "data": listed})

    async def _show(self, _: web.Request) -> web.Response:
        return _json(list(self.requests))

    async def _forget(self, request: web.Request) -> web.Response:
        self.requests.clear()
        return web.Response(status=204)


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
    deltas = text_deltas(b, seen.message, seen.prefix, seen.stop)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(deltas)}
    if b.tool_call:
        first, *rest = tool_call_pieces(b)
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
