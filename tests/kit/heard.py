"""What clients of each dialect hear of an answer, streamed and whole, in one form."""

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import ClientSession


class Heard(msgspec.Struct):
    """An answer as its client has it at the end."""

    text: str = ""
    reasoning: str = ""
    #: id, name, arguments
    calls: list[list[str]] = []
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    #: The error's code, where the dialect has one, and what it says.
    error: str | None = None
    message: str = ""
    status: int = 200
    retry_after: str | None = None

    def reset(self) -> None:
        """All so far is void."""
        self.text = self.reasoning = ""
        self.calls = []


def _payloads(raw: bytes) -> list[Any]:
    lines = [line[6:] for line in raw.split(b"\n") if line.startswith(b"data: ")]
    return [msgspec.json.decode(line) for line in lines if line != b"[DONE]"]


async def _post(session: ClientSession, url: str, body: dict[str, Any]) -> tuple[Heard, bytes]:
    async with session.post(url, json=body) as response:
        heard = Heard(status=response.status, retry_after=response.headers.get("Retry-After"))
        raw = await response.read()
        if response.status >= 400:
            error = msgspec.json.decode(raw)["error"]
            heard.error, heard.message = error["code"], error["message"]
        return heard, raw


async def native(session: ClientSession, url: str, model: str, message: str) -> Heard:
    """The native stream."""
    heard, raw = await _post(session, f"{url}/api/chat/stream", {"message": message, "model": model})
    calls: dict[int, list[str]] = {}
    for frame in _payloads(raw):
        facts = frame["metadata"]
        match frame["type"]:
            case "chunk":
                heard.text += frame["content"]
            case "reasoning":
                heard.reasoning += frame["content"]
            case "tool_call":
                piece = facts["tool_call"]
                call = calls.setdefault(piece["index"], [piece["id"], piece["name"], ""])
                call[2] += piece["arguments"]
            case "reset":
                heard.reset()
                calls.clear()
            case "end":
                heard.finish_reason, heard.usage = facts["finish_reason"], facts["usage"]
            case "error":
                heard.error, heard.message = facts["code"], frame["content"]
    heard.calls = list(calls.values())
    return heard


def _chat(model: str, message: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": message}], **fields}


async def chat_stream(session: ClientSession, url: str, model: str, message: str) -> Heard:
    """Chat Completions, streamed."""
    body = _chat(model, message, stream=True, stream_options={"include_usage": True})
    heard, raw = await _post(session, f"{url}/v1/chat/completions", body)
    calls: dict[int, list[str]] = {}
    for chunk in _payloads(raw):
        if "error" in chunk:
            heard.error, heard.message = chunk["error"]["code"], chunk["error"]["message"]
            break
        heard.usage = chunk["usage"] or heard.usage
        for choice in chunk["choices"]:
            delta = choice["delta"]
            heard.text += delta.get("content") or ""
            heard.reasoning += delta.get("reasoning_content") or ""
            for piece in delta.get("tool_calls") or ():
                function = piece["function"]
                if "id" in piece:
                    assert piece["index"] not in calls
                    calls[piece["index"]] = [piece["id"], function["name"], ""]
                calls[piece["index"]][2] += function["arguments"]
            heard.finish_reason = choice["finish_reason"] or heard.finish_reason
    heard.calls = list(calls.values())
    return heard


async def chat_whole(session: ClientSession, url: str, model: str, message: str) -> Heard:
    """Chat Completions, whole."""
    heard, raw = await _post(session, f"{url}/v1/chat/completions", _chat(model, message))
    if heard.error is None:
        answer = msgspec.json.decode(raw)
        said, heard.usage = answer["choices"][0]["message"], answer["usage"]
        heard.finish_reason = answer["choices"][0]["finish_reason"]
        heard.text, heard.reasoning = said["content"] or "", said.get("reasoning_content") or ""
        heard.calls = [
            [call["id"], call["function"]["name"], call["function"]["arguments"]]
            for call in said.get("tool_calls") or ()
        ]
    return heard


def _take_response(heard: Heard, response: dict[str, Any]) -> None:
    heard.reset()
    for item in response["output"]:
        if item["type"] == "function_call":
            heard.calls.append([item["call_id"], item["name"], item["arguments"]])
        elif item["type"] == "message":
            heard.text += "".join(part["text"] for part in item["content"])
        elif item["type"] == "reasoning":
            heard.reasoning += "".join(part["text"] for part in item["content"])
    reason = (response["incomplete_details"] or {}).get("reason")
    heard.finish_reason = "length" if reason == "max_output_tokens" else reason
    heard.usage = response["usage"]
    if response["error"] is not None:
        heard.error, heard.message = response["error"]["type"], response["error"]["message"]


async def response_stream(session: ClientSession, url: str, model: str, message: str) -> Heard:
    """Responses, streamed."""
    body = {"model": model, "input": message, "stream": True}
    heard, raw = await _post(session, f"{url}/v1/responses", body)
    for event in _payloads(raw):
        if event["type"] == "error":
            heard.error, heard.message = event["code"], event["message"]
        elif event["type"] in {"response.completed", "response.incomplete", "response.failed"}:
            said = heard.text
            _take_response(heard, event["response"])
            assert heard.text == said
        elif event["type"] == "response.output_text.delta":
            heard.text += event["delta"]
    return heard


async def response_whole(session: ClientSession, url: str, model: str, message: str) -> Heard:
    """Responses, whole."""
    heard, raw = await _post(session, f"{url}/v1/responses", {"model": model, "input": message})
    if heard.error is None:
        _take_response(heard, msgspec.json.decode(raw))
    return heard


async def ui_message(session: ClientSession, url: str, model: str, message: str) -> Heard:
    """The AI SDK's stream."""
    said = {"id": "m", "role": "user", "parts": [{"type": "text", "text": message}]}
    name = "".join(char if char.isalnum() else "-" for char in message)
    body = {"id": f"chat-{name}", "messages": [said], "model": model}
    heard, raw = await _post(session, f"{url}/api/ui/chat", body)
    for chunk in _payloads(raw):
        match chunk["type"]:
            case "text-delta":
                heard.text += chunk["delta"]
            case "reasoning-delta":
                heard.reasoning += chunk["delta"]
            case "tool-input-start":
                heard.calls.append([chunk["toolCallId"], chunk["toolName"], ""])
            case "tool-input-delta":
                call = next(call for call in heard.calls if call[0] == chunk["toolCallId"])
                call[2] += chunk["inputTextDelta"]
            case "reset-step":
                heard.reset()
            case "error":
                heard.error, heard.message = "error", chunk["errorText"]
            case "finish":
                heard.finish_reason = chunk["finishReason"]
                heard.usage = chunk["messageMetadata"]["usage"]
    return heard


async def anthropic_stream(session: ClientSession, url: str, model: str, message: str) -> Heard:
    """Anthropic's Messages, streamed: text and errors alone."""
    body = _chat(model, message, stream=True, max_tokens=1000)
    async with session.post(f"{url}/v1/messages", json=body) as response:
        heard, raw = Heard(status=response.status), await response.read()
    frames = [msgspec.json.decode(raw)] if heard.status >= 400 else _payloads(raw)
    for frame in frames:
        match frame["type"]:
            case "content_block_delta":
                heard.text += frame["delta"].get("text", "")
            case "message_delta":
                heard.finish_reason = frame["delta"]["stop_reason"]
            case "error":
                heard.error, heard.message = "error", frame["error"]["message"]
    return heard


async def ag_ui(session: ClientSession, url: str, model: str, message: str) -> Heard:
    """An AG-UI run: text and errors alone."""
    name = "".join(char if char.isalnum() else "-" for char in message)
    said = {"id": "m", "role": "user", "content": message}
    body = {
        "threadId": f"thread-{name}",
        "runId": "r",
        "messages": [said],
        "forwardedProps": {"model": model},
    }
    heard, raw = await _post(session, f"{url}/api/ag-ui", body)
    for event in _payloads(raw):
        match event["type"]:
            case "TEXT_MESSAGE_CONTENT":
                heard.text += event["delta"]
            case "CUSTOM" if event["name"] == "headrace.reset":
                heard.reset()
            case "RUN_ERROR":
                heard.error, heard.message = event["code"], event["message"]
            case "RUN_FINISHED":
                heard.finish_reason = "stop"
    return heard


Listen = Callable[[ClientSession, str, str, str], Any]
LISTENERS: dict[str, Listen] = {
    each.__name__: each
    for each in (native, chat_stream, chat_whole, response_stream, response_whole, ui_message)
}
#: With those that are listened to for text and errors alone.
EVERY: dict[str, Listen] = LISTENERS | {each.__name__: each for each in (anthropic_stream, ag_ui)}
