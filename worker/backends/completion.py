"""
The upstream's side of the OpenAI chat completion format: its chunks in, our deltas out.

Fields we do not need are skipped, not decoded; what should not be null but is on some servers, may be.
"""

from typing import Any

import msgspec

from shared.errors import UpstreamFailed, UpstreamInvalid
from shared.events import Reasoning, Text, ToolCall, Usage, now_ms
from worker.backends import Delta, Finished
from worker.backends.errors import stated_message


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    #: DeepSeek's, llama.cpp's and older vLLM's name for it; `reasoning` is OpenRouter's and newer vLLM's.
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    index: int | None = None
    delta: _Message | None = None
    #: In place of `delta` where the server does not stream.
    message: _Message | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode
_DONE = b"[DONE]"


class Completion:
    """One answer as it arrives: turns payloads into deltas and remembers how it ended."""

    def __init__(self) -> None:
        #: The upstream said `[DONE]`.
        self.done = False
        self._finish_reason: str | None = None
        self._usage: Usage | None = None

    @property
    def ended(self) -> bool:
        """The answer is whole; only usage or `[DONE]` may still come."""
        return self._finish_reason is not None or self.done

    @property
    def complete(self) -> bool:
        """Nothing is missing any more."""
        return self.done or (self._finish_reason is not None and self._usage is not None)

    def finished(self) -> Finished:
        """The last word on an answer that has `ended`."""
        return Finished(self._finish_reason or "stop", self._usage)

    def take(self, payloads: list[bytes], deltas: list[Delta]) -> None:
        """
        Append to *deltas* what *payloads* say.

        Raises `UpstreamInvalid` for what is not a chunk and `UpstreamFailed` for an error frame;
        the deltas before it are in *deltas* then.
        """
        ts = now_ms()
        for payload in payloads:
            if payload.startswith(_DONE):
                self.done = True
                return
            try:
                chunk = _decode(payload)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise UpstreamInvalid() from error
            if chunk.error is not None:
                raise UpstreamFailed(stated_message(chunk.error))
            if chunk.usage is not None:
                self._usage = _usage(chunk.usage)
            for choice in chunk.choices or ():
                if not choice.index:
                    self._add(choice, ts, deltas)

    def _add(self, choice: _Choice, ts: int, deltas: list[Delta]) -> None:
        said = choice.delta or choice.message
        if said is not None:
            reasoning = said.reasoning_content or said.reasoning
            if reasoning:
                deltas.append(Reasoning(ts, reasoning))
            text = said.content or said.refusal
            if text:
                deltas.append(Text(ts, text))
            if said.tool_calls:
                deltas.extend(_pieces(said.tool_calls, ts))
        if choice.finish_reason:
            self._finish_reason = choice.finish_reason


def _pieces(calls: list[_ToolCall], ts: int) -> list[ToolCall]:
    return [
        ToolCall(
            ts,
            index=position if call.index is None else call.index,
            id=call.id,
            name=call.function.name if call.function else None,
            arguments=(call.function.arguments if call.function else None) or "",
        )
        for position, call in enumerate(calls)
    ]


def _usage(counted: _Usage) -> Usage:
    prompt, completion = counted.prompt_tokens or 0, counted.completion_tokens or 0
    return Usage(prompt, completion, counted.total_tokens or prompt + completion)
