"""Whatever is wrong with a request is a clear 4xx that names the field, and leaves nothing behind."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.kit import invariants
from tests.kit.chat_client import ChatClient
from tests.kit.local import Local
from tests.kit.stack import Stack

JSON = {"Content-Type": "application/json"}
SEND = "/api/chat/stream"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "message"),
        ({"message": None}, "message"),
        ({"message": 5}, "message"),
        ({"message": ["a"]}, "message[0]"),
        ({"message": []}, "message"),
        ({"message": ""}, "message"),
        ({"message": " \n\t "}, "message"),
        ({"message": "\u0000\u0007\u009f"}, "message"),
        ({"message": "x" * 32_001}, "message"),
        ({"message": "Hi", "massage": 1}, "massage"),
        ({"message": "Hi", "model": "nothing"}, "model"),
        ({"message": "Hi", "model": ""}, "model"),
        ({"message": "Hi", "model": 7}, "model"),
        ({"message": "Hi", "conversation_id": ""}, "conversation_id"),
        ({"message": "Hi", "conversation_id": "a b"}, "conversation_id"),
        ({"message": "Hi", "conversation_id": "../etc"}, "conversation_id"),
        ({"message": "Hi", "conversation_id": "x" * 129}, "conversation_id"),
        ({"message": "Hi", "conversation_id": 5}, "conversation_id"),
        ({"message": "Hi", "max_tokens": 0}, "max_tokens"),
        ({"message": "Hi", "max_tokens": -1}, "max_tokens"),
        ({"message": "Hi", "max_tokens": 1.5}, "max_tokens"),
        ({"message": "Hi", "max_tokens": "5"}, "max_tokens"),
        ({"message": "Hi", "max_tokens": 10**30}, "max_tokens"),
        ({"message": "Hi", "multimodal": "yes"}, "multimodal"),
        ({"message": "Hi", "multimodal": True, "n": 2}, "n"),
        ({"message": "Hi", "multimodal": True, "stop": ["."]}, "stop"),
        ({"message": "Hi", "on_busy": "wait"}, "on_busy"),
        ({"message": "Hi", "on_disconnect": "maybe"}, "on_disconnect"),
    ],
)
async def test_a_field_at_fault(stack: Stack, chat: ChatClient, body: dict[str, Any], field: str) -> None:
    """Each field's wrong type or value is refused by its name."""
    refused = await chat.call("POST", SEND, json=body)
    assert refused.status == 400
    assert refused.error["field"] == field
    assert field in refused.error["message"]
    assert refused.error["retryable"] is False
    assert not invariants.generations(stack.redis)


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"{",
            b"nonsense",
            b'{"message": "Hi"',
            b'{"message": "Hi"} {}',
            b"[]",
            b'"Hi"',
            b"5",
            b"null",
        ),
        *(b'{"message": "\xff"}', b'{"message": "\\ud800"}', b"[" * 10_000, b'{"a":' * 10_000),
    ],
)
async def test_a_body_that_is_no_request(stack: Stack, chat: ChatClient, body: bytes) -> None:
    """A body that is no JSON object is refused with what it is not."""
    refused = await chat.call("POST", SEND, data=body, headers=JSON)
    assert refused.status == 400
    assert refused.error["code"] == "invalid_request"
    assert not invariants.generations(stack.redis)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "nonsense"])
async def test_a_content_type_that_is_not_json(chat: ChatClient, content_type: str) -> None:
    """Only JSON is read, so that no form of another site can send a message."""
    refused = await chat.call("POST", SEND, data=b'{"message": "Hi"}', headers={"Content-Type": content_type})
    assert refused.status == 415
    assert refused.error["field"] == "Content-Type"


async def test_json_with_a_charset(chat: ChatClient) -> None:
    """Parameters of the content type do no harm."""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    async with await chat.open("POST", SEND, data=b'{"message": "Hi"}', headers=headers) as reader:
        assert reader.status == 200
        await reader.all()


async def test_a_body_that_is_too_large(local: Local, session: ClientSession) -> None:
    """A body beyond the limit is 413, whether or not it says its length."""
    await local.start(worker=False, max_body_bytes=1000)
    chat = ChatClient(session, local.url)
    body = json.dumps({"message": "x" * 2000}).encode()

    async def pieces() -> Any:
        yield body[:700]
        yield body[700:]

    for data in (body, pieces()):
        refused = await chat.call("POST", SEND, data=data, headers=JSON)
        assert refused.status == 413
        assert refused.error["code"] == "too_large"
        assert "1000 bytes" in refused.error["message"]
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 2000}}
    refused = await chat.call("POST", SEND, json={"message": [picture], "mesage": ""})
    assert (refused.status, refused.error["field"]) == (400, "mesage"), "its size is not what is wrong"


@pytest.mark.parametrize(
    "value", ["x", "1", "1-", "-1", "1-1-1", "01-1", "1-01", "1 -1", "\u0661-1", "9" * 30]
)
async def test_a_malformed_position(chat: ChatClient, value: str) -> None:
    """A malformed `Last-Event-ID` or `?after=` is refused by name, for streams and conversations."""
    reader = await chat.ask(conversation_id="c1")
    for path in (f"/api/chat/{reader.generation_id}/stream", "/api/conversations/c1/stream"):
        by_header = await chat.call("GET", path, headers={"Last-Event-ID": value})
        assert (by_header.status, by_header.error["field"]) == (400, "Last-Event-ID")
        by_query = await chat.call("GET", path, params={"after": value})
        assert (by_query.status, by_query.error["field"]) == (400, "after")


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "caf\u00e9"])
async def test_a_malformed_idempotency_key(chat: ChatClient, key: str) -> None:
    """An `Idempotency-Key` is 1 to 200 visible ASCII characters."""
    refused = await chat.submit(headers={"Idempotency-Key": key})
    assert refused.status == 400
    assert refused.error["field"] == "Idempotency-Key"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("  Hello \n", "Hello"),
        ("a\u0000b\u0007c\u001bd\u007fe\u0085f", "abcdef"),
        ("one\r\ntwo\n\n\tthree", "one\ntwo\n\n\tthree"),
        ("\U0001f469\u200d\U0001f4bb \u6c34\u8eca \u0639\u0631\u0628\u064a e\u0301", None),
        ("<b>&amp; \"quoted\" 'x' \\n {{7*7}}", None),
        ("inner  double   spaces\u00a0and\u2028separators", None),
    ],
)
async def test_text_is_cleaned_and_otherwise_kept(chat: ChatClient, sent: str, kept: str | None) -> None:
    """A message is trimmed and freed of control characters, and never otherwise changed."""
    await chat.ask(sent, conversation_id="c1")
    messages = (await chat.conversation("c1"))["messages"]
    assert messages[0]["content"] == (sent if kept is None else kept)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/chat/", 404, "not_found"),
        ("GET", "/api/chat/gen_nothing", 404, "not_found"),
        ("GET", "/api/chat/gen_nothing/stream", 404, "not_found"),
        ("GET", "/api/chat/%00%ff/stream", 404, "not_found"),
        ("DELETE", "/api/chat/gen_nothing", 405, "method_not_allowed"),
        ("PUT", "/api/chat/stream", 405, "method_not_allowed"),
        ("POST", "/livez", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_there(chat: ChatClient, method: str, path: str, status: int, code: str) -> None:
    """Unknown addresses and methods are errors of the same shape."""
    answer = await chat.call(method, path)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert ("Allow" in answer.headers) == (status == 405)


async def test_a_body_that_breaks_off(stack: Stack, chat: ChatClient) -> None:
    """A client that leaves in the middle of its request leaves nothing behind."""
    _, writer = await asyncio.open_connection("127.0.0.1", stack.gateways[0].port)
    writer.write(
        b"POST /api/chat/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b'Content-Length: 50\r\n\r\n{"message": "Hi'
    )
    await writer.drain()
    writer.close()
    assert (await chat.call("GET", "/livez")).status == 200
    assert not invariants.generations(stack.redis)
