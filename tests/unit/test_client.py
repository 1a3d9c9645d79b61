"""The client's replies, over connections that break in every way."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from aiohttp import web
from aiohttp.pytest_plugin import AiohttpServer

from headrace import HeadraceClient, HeadraceError
from headrace import reply as reply_module
from headrace.events import Chunk, Ended, Event, Failed, Interrupted, Queued, Reset, Started


def frame(position: str, **fields: object) -> bytes:
    """A frame of the native dialect."""
    return f"id: {position}\ndata: {json.dumps(fields, ensure_ascii=False)}\n\n".encode()


FRAMES = [
    frame("1-0", type="start", conversation_id="c", generation_id="gen_1", metadata={"model": "m"}),
    frame("1-1", type="chunk", content="Grüße"),
    frame("1-2", type="from_the_future", content="?"),
    frame("1-3", type="chunk", content=", world"),
    frame("1-4", type="end", metadata={"finish_reason": "stop", "usage": {"total_tokens": 2}}),
]
HEADERS = {"Content-Type": "text/event-stream", "X-Generation-Id": "gen_1", "X-Conversation-Id": "c"}


class Gateway:
    """Serves *frames*, but cuts every connection after *cut* bytes; knows what was asked of it."""

    def __init__(
        self,
        cut: int | None = None,
        refuse: list[web.Response] | None = None,
        frames: Sequence[bytes] = FRAMES,
    ) -> None:
        self.cut = cut
        self.frames = frames
        self.refuse = refuse or []
        self.keys: list[str] = []
        self.resumed: list[str | None] = []
        self.cancelled: list[str] = []

    def app(self) -> web.Application:
        """Its application."""
        app = web.Application()
        app.router.add_post("/api/chat/stream", self._send)
        app.router.add_get("/api/chat/{id}/stream", self._resume)
        app.router.add_post("/api/chat/{id}/cancel", self._cancel)
        return app

    async def _send(self, request: web.Request) -> web.StreamResponse:
        self.keys.append(request.headers["Idempotency-Key"])
        if self.refuse:
            return self.refuse.pop(0)
        return await self._stream(request, b"retry: 1\n\n" + b"".join(self.frames))

    async def _resume(self, request: web.Request) -> web.StreamResponse:
        after = request.headers.get("Last-Event-ID")
        self.resumed.append(after)
        first = int(after.split("-")[1]) + 1 if after else 0
        if first >= len(self.frames):
            return web.Response(status=204)
        return await self._stream(request, b"".join(self.frames[first:]))

    async def _stream(self, request: web.Request, data: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        await response.write(data[: self.cut])
        if self.cut is not None and len(data) > self.cut and request.transport is not None:
            request.transport.close()
        return response

    async def _cancel(self, request: web.Request) -> web.Response:
        self.cancelled.append(request.match_info["id"])
        return web.json_response({"status": "cancelled"})


Connect = Callable[[Gateway], Awaitable[HeadraceClient]]


@pytest.fixture
async def connect(aiohttp_server: AiohttpServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    """A client of a gateway; its retries take no time worth mentioning."""
    monkeypatch.setattr(reply_module, "_RETRY_S", 0.001)
    monkeypatch.setattr(reply_module, "_MAX_RETRY_S", 0.001)
    clients: list[HeadraceClient] = []

    async def start(gateway: Gateway) -> HeadraceClient:
        server = await aiohttp_server(gateway.app())
        clients.append(await HeadraceClient(str(server.make_url(""))).__aenter__())
        return clients[-1]

    yield start
    for client in clients:
        await client.__aexit__()


async def events(reply: AsyncIterator[Event] | reply_module.Reply) -> list[Event]:
    """All its events but the interruptions."""
    return [event async for event in reply if not isinstance(event, Interrupted)]


WHOLE: list[Event] = [
    Started("gen_1", "c", "m", position="1-0"),
    Chunk("Grüße", position="1-1"),
    Chunk(", world", position="1-3"),
    Ended("stop", {"total_tokens": 2}, position="1-4"),
]


async def test_whole(connect: Connect) -> None:
    """Typed events in order; types that came after this client are passed over."""
    gateway = Gateway()
    reply = (await connect(gateway)).start("hi")
    assert await events(reply) == WHOLE
    assert (reply.generation_id, reply.conversation_id, reply.position) == ("gen_1", "c", "1-4")


@pytest.mark.parametrize("cut", range(150, len(b"".join(FRAMES)) + 10, 7))
async def test_cut(connect: Connect, cut: int) -> None:
    """However often the connection breaks, every event comes once, in order, and is sent for once."""
    gateway = Gateway(cut)
    assert await events((await connect(gateway)).start("hi")) == WHOLE
    assert len(gateway.keys) == 1
    assert gateway.resumed or cut >= len(b"".join(FRAMES))


#: Data lines that no client can read, and known types in shapes that are not theirs.
MALFORMED = [
    *(b"", b"{", b"[]", b"7", b"null", b'"chunk"', b"\xff\xfe", b"[" * 5000),
    *(b"{}", b'{"type":5}', b'{"type":null}', b'{"type":["chunk"]}'),
    *(b'{"type":"chunk"}', b'{"type":"chunk","content":5}', b'{"type":"reasoning","content":null}'),
    *(b'{"type":"queued","metadata":{"position":"soon"}}', b'{"type":"queued","metadata":[]}'),
    *(b'{"type":"tool_call","metadata":{"tool_call":[1]}}', b'{"type":"tool_call"}'),
]


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The levels at which the client has said something."""
    return [record.levelname for record in caplog.records if record.name == "headrace"]


async def test_events_of_the_future(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """P18: types and fields that came after this client are skipped, and said once."""
    caplog.set_level(logging.DEBUG, "headrace")
    newer = {"content_type": "text", "data": {"x": [1]}, "metadata": {"finish_reason": "stop", "cost": 1}}
    start = {"type": "start", "conversation_id": "c", "generation_id": "gen_1", "metadata": {"model": "m"}}
    frames = [
        frame("1-0", **start, parts=[]),
        frame("1-1", **newer, type="chunk", content="Hi"),
        *(frame(f"1-{n}", **newer, type=f"future_{n}") for n in range(2, 5)),
        frame("1-5", **newer, type="end"),
    ]
    reply = (await connect(Gateway(frames=frames))).start("hi")
    assert await events(reply) == [
        Started("gen_1", "c", "m", position="1-0"),
        Chunk("Hi", position="1-1"),
        Ended("stop", {}, position="1-5"),
    ]
    assert logged(caplog) == ["DEBUG"]


async def test_malformed_lines(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """P18: a line that cannot be read is skipped, and said once; what follows it comes all the same."""
    wrong = [b"id: 1-%d\ndata: %s\n\n" % (n, data) for n, data in enumerate(MALFORMED, 4)]
    last = len(MALFORMED) + 4
    gateway = Gateway(frames=[*FRAMES[:4], *wrong, frame(f"1-{last}", type="end", metadata=None)])
    client = await connect(gateway)
    for _ in range(2):
        assert await events(client.start("hi")) == [*WHOLE[:3], Ended("", {}, position=f"1-{last}")]
    assert not gateway.resumed
    assert sorted(logged(caplog)) == ["WARNING"]


async def test_an_end_that_cannot_be_read(connect: Connect) -> None:
    """P18: a reply whose end was a malformed line fails, rather than to stop as if it were whole."""
    gateway = Gateway(frames=[*FRAMES[:4], b'id: 1-4\ndata: {"type":"end"\n\n'])
    seen: list[Event] = []
    with pytest.raises(HeadraceError) as failed:
        async for event in (await connect(gateway)).start("hi"):
            seen.append(event)
    assert failed.value.code == "invalid_frame"
    assert [event for event in seen if not isinstance(event, Interrupted)] == WHOLE[:3]
    assert await events((await connect(gateway)).resume("gen_1", after="1-4")) == []


async def test_refused_for_now(connect: Connect) -> None:
    """A refusal that passes is tried again with the same key, so the reply is generated once."""
    gateway = Gateway(refuse=[web.Response(status=503), web.Response(status=429)])
    assert await events((await connect(gateway)).start("hi")) == WHOLE
    assert len(gateway.keys) == 3
    assert len(set(gateway.keys)) == 1


async def test_refused_for_good(connect: Connect) -> None:
    """A request that is wrong is not tried again; the error is the server's own."""
    error = {"error": {"code": "unknown_model", "message": "No such model."}}
    gateway = Gateway(refuse=[web.json_response(error, status=400)])
    with pytest.raises(HeadraceError, match=r"No such model\.") as raised:
        await events((await connect(gateway)).start("hi", model="x"))
    assert (raised.value.code, raised.value.status, len(gateway.keys)) == ("unknown_model", 400, 1)


async def test_gives_up(connect: Connect) -> None:
    """A server that never takes the message is given up."""
    gateway = Gateway(refuse=[web.Response(status=503) for _ in range(99)])
    with pytest.raises(HeadraceError, match="503"):
        await events((await connect(gateway)).start("hi"))
    assert len(gateway.keys) < 10


async def test_gives_up_without_progress(connect: Connect) -> None:
    """Connections that bring nothing new are not opened for ever."""
    gateway = Gateway(cut=20)
    with pytest.raises(HeadraceError):
        await events((await connect(gateway)).start("hi"))
    assert len(gateway.resumed) < 15


async def test_nobody_there() -> None:
    """An address where nobody listens is said to be one."""
    async with HeadraceClient("http://127.0.0.1:9") as client:
        with pytest.raises(HeadraceError, match="did not answer"):
            await client.status("gen_1")


async def test_resume_and_cancel(connect: Connect) -> None:
    """A reply can be taken up in the middle by its id, and cancelled."""
    gateway = Gateway()
    client = await connect(gateway)
    reply = client.resume("gen_1", after="1-1")
    assert await events(reply) == WHOLE[2:]
    assert await reply.cancel() == {"status": "cancelled"}
    assert gateway.cancelled == ["gen_1"]


async def test_other_frames() -> None:
    """Frames about what happens around the answer."""
    from headrace.events import parse

    assert parse(b'{"type":"queued","metadata":{"position":3}}', None) == Queued(3)
    assert parse(b'{"type":"reset","metadata":{"reason":"worker_lost"}}', "2-0") == Reset(
        "worker_lost", position="2-0"
    )
    failed = b'{"type":"error","content":"No.","metadata":{"code":"upstream_failed","retryable":true}}'
    assert parse(failed, "1-9") == Failed("upstream_failed", "No.", True, position="1-9")
    with pytest.raises(ValueError, match="not a frame"):
        parse(b"[]", None)
