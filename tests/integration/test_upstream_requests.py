"""What reaches a model server, and how long it is waited for."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.stack import MODELS, upstream_model
from tests.kit.upstream import FakeUpstream

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
UI = "/api/ui/chat"


def _asked(path: str, message: str = "Hello", **fields: Any) -> dict[str, Any]:
    if path == RESPONSES:
        return {"model": "upstream", "input": message, **fields}
    if path == UI:
        said = {"id": "m", "role": "user", "parts": [{"type": "text", "text": message}]}
        return {"model": "upstream", "id": "c1", "messages": [said], **fields}
    return {"model": "upstream", "messages": [{"role": "user", "content": message}], **fields}


async def _send(session: ClientSession, url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The answer's status, and what it says; nothing of a stream."""
    async with session.post(url, json=body) as response:
        await response.read()
        return response.status, await response.json() if response.content_type == "application/json" else {}


def _at_fault(answer: dict[str, Any]) -> Any:
    return answer["error"].get("param") or answer["error"].get("field")


@pytest.mark.parametrize("path", [CHAT, RESPONSES, UI])
async def test_parameters_of_the_trade(local: Local, session: ClientSession, path: str) -> None:
    """What a model accepts reaches it, beside the others or in `extra_body`; the rest is refused by name."""
    async with FakeUpstream() as upstream:
        accepts = ["top_k", "min_p", "chat_template_kwargs"]
        await local.start(MODELS + upstream_model(upstream.url, accepts=accepts))
        asked = _asked(path)
        kwargs = {"chat_template_kwargs": {"enable_thinking": False}}
        sent = {**asked, "top_k": 5, "repetition_penalty": None, "extra_body": {"min_p": 0.1, **kwargs}}
        assert (await _send(session, local.url + path, sent))[0] == 200
        body = upstream.requests[-1].body
        assert (body["top_k"], body["min_p"]) == (5, 0.1)
        assert body["chat_template_kwargs"] == kwargs["chat_template_kwargs"]
        assert "extra_body" not in body
        assert "repetition_penalty" not in body
        for refused in ({"repetition_penalty": 1.1}, {"extra_body": {"repetition_penalty": 1.1}}):
            status, answer = await _send(session, local.url + path, {**asked, **refused})
            assert (status, _at_fault(answer)) == (400, "repetition_penalty")
        status, answer = await _send(session, local.url + path, {**asked, "extra_body": 5})
        assert (status, _at_fault(answer)) == (400, "extra_body")
        assert len(upstream.requests) == 1


async def test_a_question_that_was_never_answered(local: Local, session: ClientSession) -> None:
    """Stopped before the first word, it goes along with the next: no two messages of the user in a row."""
    async with FakeUpstream() as upstream:
        await local.start(MODELS + upstream_model(upstream.url))
        chat = ChatClient(session, local.url)
        first = await chat.send(script(never_answer=True), conversation_id="c1", model="upstream")
        await upstream.until(lambda: bool(upstream.requests))
        await chat.cancel(first.generation_id)
        await first.all()
        await chat.ask("And now?", conversation_id="c1", model="upstream")
        said = upstream.requests[-1].body["messages"]
        assert [message["role"] for message in said] == ["user"]
        assert said[0]["content"].endswith("\n\nAnd now?")
        asked = {"model": "upstream", "input": script(never_answer=True), "background": True}
        unanswered = (await chat.call("POST", RESPONSES, json=asked)).body["id"]
        await upstream.until(lambda: len(upstream.requests) == 3)
        await chat.call("POST", f"{RESPONSES}/{unanswered}/cancel")
        more = {"model": "upstream", "input": "And now?", "previous_response_id": unanswered}
        assert (await chat.call("POST", RESPONSES, json=more)).status == 200
        assert upstream.requests[-1].body["messages"] == [said[0]]


async def test_a_model_that_thinks_for_long(local: Local, session: ClientSession) -> None:
    """Comments and empty deltas are signs of life up to a bound; none is asked a second time."""
    gates = [asyncio.Event() for _ in range(2)]
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        gate, asked = gates[asked], asked + 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        while not gate.is_set():
            writer.write(b': thinking\n\ndata: {"choices":[{"delta":{"content":""}}]}\n\n')
            await asyncio.sleep(0.05)
            if writer.is_closing():
                return
        writer.write(
            b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        )
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        host, port = server.sockets[0].getsockname()
        options: dict[str, Any] = {"first_token_timeout_s": 0.3, "silence": 1.5}
        await local.start(MODELS + upstream_model(f"http://{host}:{port}/v1", **options))
        chat = ChatClient(session, local.url)
        asyncio.get_running_loop().call_later(0.9, gates[0].set)
        assert (await chat.ask(model="upstream")).text == "Hi"
        reader = await chat.ask(model="upstream")
        assert reader.end.data["metadata"]["code"] == "first_token_timeout"
        assert asked == 2


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
async def test_the_status_waits_for_the_first_word(local: Local, session: ClientSession, path: str) -> None:
    """A failure before it has its status, streamed too, and says when to come back."""
    async with FakeUpstream() as upstream:
        await local.start(MODELS + upstream_model(upstream.url))
        failures: list[tuple[dict[str, Any], int, str]] = [
            ({"status": 429, "retry_after": "60"}, 429, "upstream_rate_limited"),
            ({"status": 400}, 400, "upstream_rejected"),
            ({"status": 400, "message": "maximum context length"}, 400, "context_length_exceeded"),
            ({"status": 401}, 502, "upstream_unauthorized"),
        ]
        for behaviour, status, code in failures:
            body = _asked(path, script(**behaviour), stream=True)
            async with session.post(local.url + path, json=body) as response:
                assert response.status == status
                assert (await response.json())["error"]["code"] == code
                assert response.headers.get("Retry-After") == behaviour.get("retry_after")
        body = _asked(path, script(error_frame_after=1), stream=True)
        async with session.post(local.url + path, json=body) as response:
            assert response.status == 200
            assert b"upstream_failed" in await response.read()
