"""What cannot be read is refused in our shape, echoes nothing, and never harms the next request."""

import asyncio
import gzip
import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from gateway.app import make_app
from gateway.edge.connections import Runner
from gateway.edge.state import STATE
from shared.errors import NotFound
from shared.models import load
from tests.kit.local import Local
from tests.kit.stack import MODELS, Stack
from tests.kit.wire import Wire, WireAnswer

#: Whatever a stranger sends; no answer and no log may have it.
MARK = b"s3cr3tmark"
_GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
_POST = b"POST /api/chat/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"

#: Requests that are no HTTP, or could be read in two ways.
MALFORMED: dict[str, bytes] = {
    "no method": b" / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "unknown method": MARK + b" / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "method in lower case": b"get /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "space in the target": b"GET /" + MARK + b" /x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "control character in the target": b"GET /\x01" + MARK + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "target without a slash": b"GET " + MARK + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "target that is no address": b"GET http:// HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "long target": b"GET /" + MARK * 2_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no version": b"GET /" + MARK + b"\r\nHost: localhost\r\n\r\n",
    "another version": b"GET /" + MARK + b" HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "another protocol": b"GET / " + MARK + b"/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + MARK,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + MARK,
    "SSH": b"SSH-2.0-" + MARK + b"\r\n",
    "zeros": b"\0" * 64 + MARK,
    "bytes above ASCII": b"\xff\xfe\xfd" + MARK + b"\r\n\r\n",
    "no Host": b"GET /livez HTTP/1.1\r\nX: " + MARK + b"\r\n\r\n",
    "two Hosts": _GET + b"Host: " + MARK + b"\r\n\r\n",
    "header without a colon": _GET + MARK + b"\r\n\r\n",
    "header without a name": _GET + b": " + MARK + b"\r\n\r\n",
    "space before the colon": _GET + b"X-A : " + MARK + b"\r\n\r\n",
    "space in a name": _GET + b"X A: " + MARK + b"\r\n\r\n",
    "folded header": _GET + b"X-A: b\r\n " + MARK + b"\r\n\r\n",
    "NUL in a name": _GET + b"X\0A: " + MARK + b"\r\n\r\n",
    "NUL in a value": _GET + b"X-A: \0" + MARK + b"\r\n\r\n",
    "control character in a value": _GET + b"X-A: \x01" + MARK + b"\r\n\r\n",
    "bare CR in a value": _GET + b"X-A: a\rb" + MARK + b"\r\n\r\n",
    "bare LF": b"GET /livez HTTP/1.1\nHost: localhost\nX: " + MARK + b"\n\n",
    "long name": _GET + b"X" + MARK * 2_000 + b": 1\r\n\r\n",
    "long value": _GET + b"Authorization: Bearer " + MARK * 2_000 + b"\r\n\r\n",
    "many headers": _GET + b"".join(b"X-%d: %b\r\n" % (n, MARK) for n in range(500)) + b"\r\n",
    "length and chunks": _POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": _POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "two equal lengths": _POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "list of lengths": _POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "length below zero": _POST + b"Content-Length: -1\r\n\r\n",
    "length with a sign": _POST + b"Content-Length: +2\r\n\r\n{}",
    "length in hexadecimal": _POST + b"Content-Length: 0x2\r\n\r\n{}",
    "length that is none": _POST + b"Content-Length: " + MARK + b"\r\n\r\n{}",
    "empty length": _POST + b"Content-Length:\r\n\r\n{}",
    "length beyond 64 bits": _POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n{}",
    "chunks twice": _POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunks not last": _POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "unknown transfer encoding": _POST + b"Transfer-Encoding: " + MARK + b"\r\n\r\n0\r\n\r\n",
    "two transfer encodings": _POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "chunk size that is none": _CHUNKED + b"zz" + MARK + b"\r\n",
    "chunk size below zero": _CHUNKED + b"-1\r\n{}\r\n0\r\n\r\n",
    "chunk size with 0x": _CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "chunk size beyond 64 bits": _CHUNKED + b"f" * 40 + b"\r\n",
    "chunk longer than its size": _CHUNKED + b"2\r\n{}" + MARK + b"\r\n0\r\n\r\n",
    "chunk size before a bare LF": _CHUNKED + b"2\n{}\n0\n\n",
    "NUL in a chunk extension": _CHUNKED + b"2;\0" + MARK + b"\r\n{}\r\n0\r\n\r\n",
    "trailer without a colon": _CHUNKED + b"2\r\n{}\r\n0\r\n" + MARK + b"\r\n\r\n",
}
#: Of these the end has been sent, so that whatever follows is a request.
_ENCODED = [gzip.compress(b'{"message": "Hi"}'), zlib.compress(b"[" * 300_000), b"n0pe" + MARK, b""]


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed(stack: Stack, name: str) -> None:
    """Refused on a connection that has served before: one answer in our shape, then the connection's end."""
    gateway = stack.gateways[0]
    async with Wire(gateway.port) as wire:
        assert (await wire.ask("GET", "/livez")).status == 200
        wire.send(MALFORMED[name] + _GET + b"\r\n")
        refused = await wire.answer()
        assert 400 <= refused.status < 500
        assert refused.error["code"] == "invalid_request"
        assert refused.closes
        assert not await wire.rest(timeout_s=4)
    check_nothing_is_told(refused, gateway.log)


@pytest.mark.parametrize(
    "name", [name for name, request in MALFORMED.items() if request.startswith(_CHUNKED)]
)
async def test_a_body_that_breaks_while_it_is_read(stack: Stack, name: str) -> None:
    """A handler that waits for the rest of a body learns at once that it will not come."""
    gateway = stack.gateways[0]
    head, _, body = MALFORMED[name].partition(b"\r\n\r\n")
    async with Wire(gateway.port) as wire:
        wire.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
        async with asyncio.timeout(4):
            assert b" 100 " in await wire.lines(2)
        wire.send(body + _GET + b"\r\n")
        refused = await wire.answer()
        assert (refused.status, refused.error["code"]) == (400, "invalid_request")
        assert refused.closes
        assert not await wire.rest(timeout_s=4)
    check_nothing_is_told(refused, gateway.log)


@pytest.mark.parametrize(
    "encoding", ["gzip", "deflate", "br", "zstd", "GZIP", "x-gzip", "identity, gzip", "s3cr3tmark"]
)
async def test_encoded_bodies(stack: Stack, encoding: str) -> None:
    """No body is decompressed, whatever the address and the method; the next request is not disturbed."""
    gateway = stack.gateways[0]
    for body, (method, path) in itertools.product(_ENCODED, encoded_addresses()):
        async with Wire(gateway.port) as wire:
            headers = (f"Content-Encoding: {encoding}", "Content-Type: application/json")
            refused = await wire.ask(method, path, *headers, body=body)
            if method != "HEAD":
                assert refused.error["code"] == "unsupported_media_type", path
                check_nothing_is_told(refused, gateway.log)
            assert refused.status == 415
            assert refused.headers["Accept-Encoding"] == "identity"
            if not refused.closes:
                assert (await wire.ask("GET", "/livez")).status == 200


def encoded_addresses() -> Iterator[tuple[str, str]]:
    """Calls with a body and without, and addresses that nothing answers."""
    yield from (("POST", path) for path in ("/api/chat/stream", "/v1/responses", "/api/ui/chat", "/nothing"))
    yield from (("GET", path) for path in ("/", "/livez", "/v1/models", "/api/chat/gen_x/stream", "/nothing"))
    yield from (("HEAD", "/livez"), ("DELETE", "/api/conversations/c1"), ("POST", "/api/ui/chat/c1/stop"))


async def test_identity(stack: Stack) -> None:
    """A body that is sent as it is may say so."""
    async with Wire(stack.gateways[0].port) as wire:
        headers = ("Content-Type: application/json", "Content-Encoding: Identity")
        answer = await wire.ask("POST", "/api/chat/gen_x/cancel", *headers, body=b"{}")
        assert answer.status == 404
        assert (await wire.ask("GET", "/livez")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/nothing", 404),
        ("POST", "/livez", 405),
        ("GET", "/livez", 200),
        ("GET", "/", None),
        ("POST", "/api/chat/gen_x/cancel", 404),
        ("DELETE", "/api/conversations/nothing", 404),
        ("POST", "/api/chat/stream", 415),
        ("GET", "/api/chat/gen_x/stream", 404),
        ("OPTIONS", "/api/chat/stream", None),
    ],
)
@pytest.mark.parametrize("framing", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
async def test_a_body_that_nobody_reads(
    stack: Stack, method: str, path: str, status: int | None, framing: str
) -> None:
    """The answer does not wait for the body, and its connection ends, so that no body becomes a request."""
    request = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n{framing}\r\n\r\n"
    async with Wire(stack.gateways[0].port) as wire:
        wire.send(request.encode())
        answer = await wire.answer()
        assert status in (None, answer.status)
        assert answer.closes
        wire.send(_GET + b"\r\n")
        assert not await wire.rest(timeout_s=4)


async def test_a_body_that_is_announced_too_large(stack: Stack) -> None:
    """Its size is enough to refuse it; it is not awaited."""
    async with Wire(stack.gateways[0].port) as wire:
        wire.send(_POST + b"Content-Length: 1000000000\r\n\r\n")
        refused = await wire.answer()
        assert (refused.status, refused.error["code"]) == (413, "too_large")
        assert refused.closes
        assert not await wire.rest(timeout_s=4)


@pytest.mark.parametrize("error", [NotFound(), ZeroDivisionError(), web.HTTPNotFound()])
async def test_an_answer_that_fails_in_mid_stream(local: Local, tmp_path: Path, error: Exception) -> None:
    """It breaks off; no second answer is written into its body."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        raise error

    path = tmp_path / "models.toml"
    path.write_text(MODELS)
    settings = local.settings()
    app = make_app(settings, load(path))
    app.router.add_get("/breaks", handler)
    app[STATE].public |= {"/breaks"}
    runner = Runner(app, settings, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        with capture_logs() as log:
            async with Wire(runner.addresses[0][1]) as wire:
                wire.send(b"GET /breaks HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert (await wire.rest()).endswith(b"5\r\nbegun\r\n")
        assert "an answer broke off" in [line["event"] for line in log]
    finally:
        await runner.cleanup()


async def test_an_expectation(stack: Stack) -> None:
    """`Expect` is `100-continue` or refused like anything else."""
    for path in ("/api/chat/stream", "/nothing"):
        async with Wire(stack.gateways[0].port) as wire:
            refused = await wire.ask("POST", path, "Expect: s3cr3tmark", body=b"{}")
            assert (refused.status, refused.error["code"]) == (400, "invalid_request")
            check_nothing_is_told(refused, stack.gateways[0].log)


async def test_what_a_socket_offers(stack: Stack) -> None:
    """Protocols that nobody speaks, in which some clients hide a key, are passed over in silence."""
    offer = (f"Sec-WebSocket-Protocol: realtime, key.{MARK.decode()}", "Sec-WebSocket-Version: 13")
    upgrade = ("Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    for path in ("/ws/room1", "/v1/responses"):
        async with Wire(stack.gateways[0].port) as wire:
            answer = await wire.ask("GET", path, *offer, *upgrade)
            assert answer.status == 101
            check_nothing_is_told(answer, stack.gateways[0].log)


async def test_a_large_upload_reads_its_refusal(stack: Stack) -> None:
    """What a client still sends is read for a moment, or its system would drop the answer unread."""
    async with Wire(stack.gateways[0].port) as wire:
        wire.send(
            b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 4_000_000
        )
        assert (await wire.answer()).error["code"] == "not_found"
        assert not await wire.rest(timeout_s=4)


def check_nothing_is_told(answer: WireAnswer, log: str) -> None:
    """Neither client nor log is told what a stranger wrote, and no traceback is anywhere."""
    assert MARK not in answer.body
    assert not any(MARK.decode() in value for value in answer.headers.values())
    assert MARK.decode() not in log
    assert "Traceback" not in log
