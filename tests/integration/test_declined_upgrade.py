"""A client that offers another protocol on the way (as Java's does with `h2c`) is answered in this one."""

import pytest

from tests.kit.stack import Stack
from tests.kit.wire import Wire

_OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
_GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
_BODY = b'{"message":"hi","nonsense":'
_POST = b"POST /api/chat/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
_SIZED = _POST + b"Content-Length: %d\r\n" % len(_BODY) + _OFFER + b"\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n" + _OFFER + b"\r\n"
_CHUNK = b"%x\r\n%b\r\n0\r\n\r\n" % (len(_BODY), _BODY)

_NEXT = _GET + b"\r\n"
_ARRIVALS = {
    "a GET and the next": [_GET + _OFFER + b"\r\n" + _NEXT],
    "a body and the next": [_SIZED + _BODY + _NEXT],
    "its body later, with the next": [_SIZED, _BODY + _NEXT],
    "its body in halves": [_SIZED + _BODY[:5], _BODY[5:] + _NEXT],
    "chunks and the next": [_CHUNKED + _CHUNK + _NEXT],
}


@pytest.mark.parametrize("arrival", _ARRIVALS)
async def test_the_answer_to_an_offer_is_the_last_on_its_connection(stack: Stack, arrival: str) -> None:
    """What came with it may be lost to the parser: its client is told, and does not wait for an answer."""
    async with Wire(stack.gateways[0].port) as wire:
        for data in _ARRIVALS[arrival]:
            wire.send(data)
        first = await wire.answer()
        assert first.status == (400 if b"POST" in _ARRIVALS[arrival][0] else 200)
        assert first.closes
        assert await wire.rest() == b""


async def test_a_stream_that_answers_an_offer_is_whole(stack: Stack) -> None:
    body = b'{"message":"hi"}'
    async with Wire(stack.gateways[0].port) as wire:
        wire.send(_POST + b"Content-Length: %d\r\n" % len(body) + _OFFER + b"\r\n" + body + _NEXT)
        answer = await wire.answer()
        assert answer.status == 200 and answer.closes
        assert b'"type":"end"' in answer.body.replace(b" ", b"")
        assert await wire.rest() == b""
