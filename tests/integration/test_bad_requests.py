"""
Three hundred bad requests with a good key: a clear 4xx each, no 5xx, nothing left behind, and nobody else
notices.
"""

import asyncio
import json

from aiohttp import ClientSession

from tests.integration.test_authorization import MATRIX
from tests.kit import invariants
from tests.kit.api_keys import make_key
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local

DEEP = b'{"message": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
#: Bodies that no route takes, by what is wrong with them.
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"message=Hello",
    "half": b'{"message": "Hel',
    "two values": b"{} {}",
    "a list": b"[]",
    "a number": b"1",
    "a text": b'"Hello"',
    "NaN": b'{"max_tokens": NaN}',
    "a trailing comma": b'{"message": "Hello",}',
    "a comment": b'{"message": "Hello" /* so */}',
    "single quotes": b"{'message': 'Hello'}",
    "deep": DEEP,
    "deep objects": b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    "a huge number": b'{"max_tokens": ' + b"9" * 5_000 + b"}",
    "a huge exponent": b'{"max_tokens": 1e999999}',
    "NULs": b"\x00" * 100,
    "a NUL in a name": b'{"mess\x00age": "Hello"}',
    "UTF-16": '{"message": "Hello"}'.encode("utf-16"),
    "Latin-1": '{"message": "h\u00e9llo"}'.encode("latin-1"),
    "half a character": b'{"message": "\xe2\x82"}',
    "a byte order mark": b'\xef\xbb\xbf{"message": "Hello"}',
    "a name twice": b'{"message": "Hi", "message": "Bye", "id": "a", "id": "b", "title": "x", "title": "y"}',
    "a name twice, within": b'{"messages": [{"role": "user", "role": "system", "content": "x"}]}',
    "an unknown field": b'{"nobody_knows_this": 1}',
    "oversized": b'{"message": "' + b"x" * 1_100_000 + b'"}',
}
#: Headers that go with no body.
HEADERS: dict[str, dict[str, str]] = {
    "no type": {"Content-Type": ""},
    "another type": {"Content-Type": "text/plain"},
    "a form": {"Content-Type": "application/x-www-form-urlencoded"},
    "gzip": {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    "a type that lies": {"Content-Type": "application/json; charset=utf-16, text/html"},
    "deflate": {"Content-Type": "application/json", "Content-Encoding": "deflate, gzip"},
}


async def test_three_hundred_bad_requests(local: Local, session: ClientSession) -> None:
    """All of them while somebody's answer is being written, which goes on as if nothing were."""
    await local.start(auth="keys")
    chat = ChatClient(session, local.url, await make_key(local, scopes=("chat", "read", "admin")))
    calls = [call for call, row in MATRIX.items() if row.body is not None and call[0] in {"POST", "PATCH"}]
    calls.remove(("POST", "/api/blobs"))  # which takes any bytes: `test_blobs`
    wrong: list[str] = []

    async def send(method: str, path: str, what: str, body: bytes, headers: dict[str, str]) -> None:
        path = path.replace("{conversation_id}", "c1")
        answer = await chat.call(method, path, data=body, headers=headers)
        shaped = isinstance(answer.body, dict) and answer.body["error"]["message"]
        if not 400 <= answer.status < 500 or not shaped or "Traceback" in json.dumps(answer.body):
            wrong.append(f"{what}: {method} {path}: {answer.status} {answer.body}")

    typed = {"Content-Type": "application/json"}
    requests = [(*call, what, body, typed) for call in calls for what, body in BODIES.items()]
    requests += [(*call, what, b"[]", headers) for call in calls for what, headers in HEADERS.items()]
    for method, path in MATRIX:
        if method == "GET":
            for what in ("%00", "%ff", "x" * 300, "..%2f..%2fetc", "%0d%0aX-A:%20b"):
                requests.append(
                    (method, path.partition("{")[0] + what, what, b"", {"Last-Event-ID": "\u00e9"})
                )
    assert len(requests) >= 300
    async with await chat.send(script(length=200, rate=100), conversation_id="c0") as reader:
        for first in range(0, len(requests), 25):
            await asyncio.gather(*(send(*request) for request in requests[first : first + 25]))
        await reader.all()
        assert reader.end.type == "end"
    assert not wrong, "\n".join(wrong)
    assert list(invariants.generations(local.redis)) == [reader.generation_id]
