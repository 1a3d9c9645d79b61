"""Whatever stands in a header, a cookie or a query that is read: refused or passed over, never a 5xx."""

from collections.abc import AsyncIterator

import pytest

from tests.kit.api_keys import make_key
from tests.kit.issuer import FakeIssuer
from tests.kit.local import Local
from tests.kit.wire import Wire, WireAnswer

#: What no program of ours would send.
VALUES: dict[str, bytes] = {
    "nothing": b"",
    "bytes above ASCII": b"\xff\xfe\x80",
    "other digits": "\u0661\u0662.\u0663".encode(),
    "huge": b"9" * 4000,
    "quotes": b'"\\377\\"; a="',
    "a list": b"a, b;q=2, *;q=nan, ,",
    "an address": b"http://127.0.0.1:1/x?y#z",
}
_STREAM, _READ, _SIGN_IN = "/api/chat/gen_x/stream", "/api/conversations", "/api/session/issuer"
#: Where each header is read.
READ_BY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Authorization", "x-api-key"), (_READ, "/api/session")),
    **dict.fromkeys(("X-Headrace-User", "X-Headrace-User-Signature", "X-Headrace-Priority"), (_READ,)),
    **dict.fromkeys(("X-Forwarded-For", "Forwarded", "Via"), (_READ, "/metrics")),
    **dict.fromkeys(("X-Forwarded-Proto", "X-Forwarded-Host"), (_SIGN_IN,)),
    **dict.fromkeys(("If-None-Match", "If-Modified-Since", "Range", "If-Range"), (_READ, "/openapi.json")),
    **dict.fromkeys(("Accept", "Accept-Encoding", "Accept-Language"), ("/metrics", "/docs")),
    **dict.fromkeys(("Origin", "Sec-Fetch-Site", "Access-Control-Request-Headers"), (_STREAM,)),
    **dict.fromkeys(("Last-Event-ID", "traceparent", "tracestate"), (_STREAM, "/ws/room1")),
    **dict.fromkeys(("Sec-WebSocket-Version", "Sec-WebSocket-Key"), ("/ws/room1", "/v1/responses")),
    "Sec-WebSocket-Protocol": ("/ws/room1",),
    "X-Headrace-Share": ("/api/shared/x", "/api/shared/x/blobs/y"),
    "Host": (_READ, _SIGN_IN),
    **dict.fromkeys(("Content-Type", "Idempotency-Key"), ("POST /api/chat/stream", "POST /v1/responses")),
    **dict.fromkeys(("anthropic-version", "anthropic-beta"), ("POST /v1/messages",)),
}
_SOCKET = (b"Connection: upgrade", b"Upgrade: websocket")


@pytest.fixture
async def key(local: Local) -> AsyncIterator[str]:
    """Of a gateway that takes keys, tokens and sign-ins."""
    issuer = FakeIssuer()
    await issuer.start()
    options = {**issuer.settings, "auth": "both", "trusted_proxies": "127.0.0.1"}
    await local.start(worker=False, **options)
    yield await make_key(local, acts_for="signed")
    await issuer.close()


async def ask(port: int, target: str, *headers: bytes) -> WireAnswer:
    """One request on a connection of its own; a *target* with a method of its own has a body."""
    method, _, path = target.rpartition(" ")
    body = b"{}" if method else b""
    lines = [f"{method or 'GET'} {path} HTTP/1.1".encode(), *headers]
    lines += [
        *(_SOCKET if path in {"/ws/room1", "/v1/responses"} and not method else ()),
        b"Content-Length: %d" % len(body),
    ]
    async with Wire(port) as wire:
        wire.send(b"\r\n".join([*lines, b"", b""]) + body)
        return await wire.answer()


async def test_no_header_breaks_anything(local: Local, key: str) -> None:
    """Each that is read, with each odd value, beside a good key."""
    port, wrong = int(local.url.rpartition(":")[2]), []
    for name, targets in READ_BY.items():
        beside = [b"Host: localhost"] * (name != "Host")
        if name not in {"Authorization", "x-api-key"}:
            beside.append(b"Authorization: Bearer " + key.encode())
        if name == "X-Headrace-User-Signature":
            beside.append(b"X-Headrace-User: ann")
        for what, value in VALUES.items():
            for target in targets:
                answer = await ask(port, target, name.encode() + b": " + value, *beside)
                if answer.status >= 500:
                    wrong.append(f"{name}: {what}: {target}: {answer.status} {answer.body[:200]!r}")
    assert not wrong, "\n".join(wrong)


async def test_no_cookie_breaks_anything(local: Local, key: str) -> None:
    """Those of the page, with each odd value, in an address too."""
    port, wrong = int(local.url.rpartition(":")[2]), []
    for what, value in VALUES.items():
        quoted = b"".join(b"%%%02x" % byte for byte in value[:100]).decode()
        targets = (f"{_SIGN_IN}/callback?state={quoted}&code=x", _READ, f"{_STREAM}?token={quoted}")
        for target in targets:
            for cookie in (b"headrace_signing_in", b"headrace_session"):
                answer = await ask(port, target, b"Host: localhost", b"Cookie: " + cookie + b"=" + value)
                if answer.status >= 500:
                    wrong.append(f"{cookie!r}: {what}: {target[:80]}: {answer.status} {answer.body[:200]!r}")
    assert not wrong, "\n".join(wrong)
