"""
What a trace says of a request to an upstream, by OpenTelemetry's conventions for generative AI (`gen_ai.…`).

https://github.com/open-telemetry/semantic-conventions-genai: every name is still in development. What was
asked and answered is told only where that is wanted.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from shared.events import Event, Text, Usage
from shared.generation import Generation
from worker.backends import Finished, Prompt
from worker.upstreams import Upstream

Facts = dict[str, str | bool | int | float | Sequence[str]]

#: Those of a request's fields that have a name there, by it.
_NAMED = {
    "temperature": ("gen_ai.request.temperature", float),
    "top_p": ("gen_ai.request.top_p", float),
    "top_k": ("gen_ai.request.top_k", int),
    "frequency_penalty": ("gen_ai.request.frequency_penalty", float),
    "presence_penalty": ("gen_ai.request.presence_penalty", float),
    "seed": ("gen_ai.request.seed", int),
    "reasoning_effort": ("gen_ai.request.reasoning.level", str),
}


class Asked:
    """One request and its answer; *told* are what they say, too."""

    def __init__(self, upstream: Upstream, prompt: Prompt, generation: Generation, *, told: bool) -> None:
        self._upstream, self._prompt, self._generation = upstream, prompt, generation
        self._told = told
        self._began = time.monotonic()
        self._first_s: float | None = None
        self._said: list[str] = []
        #: The server's name for the model.
        self.model = prompt.model or upstream.model.upstream_model or upstream.entry

    def hearing(self, put: Callable[[Event], None]) -> Callable[[Event], None]:
        """*put*, heard on the way."""

        def heard(event: Event) -> None:
            if self._first_s is None:
                self._first_s = time.monotonic() - self._began
            if self._told and isinstance(event, Text):
                self._said.append(event.text)
            put(event)

        return heard

    def facts(self) -> Facts:
        """What is known when it is asked."""
        model, prompt = self._upstream.model, self._prompt
        asked: dict[str, Any] = {**model.parameters, **prompt.parameters}
        facts: Facts = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai" if model.base_url else model.backend,
            "gen_ai.request.model": self.model,
            "gen_ai.request.stream": True,
            "headrace.generation.id": self._generation.id,
            "headrace.upstream": self._upstream.name,
        }
        for name, (attribute, kind) in _NAMED.items():
            if isinstance(asked.get(name), int | float | str):
                facts[attribute] = kind(asked[name])
        if most := prompt.max_tokens or model.max_tokens:
            facts["gen_ai.request.max_tokens"] = most
        if self._generation.conversation is not None:
            facts["gen_ai.conversation.id"] = self._generation.conversation
        if (address := urlsplit(model.base_url)).hostname:
            facts["server.address"] = address.hostname
            facts["server.port"] = address.port or {"https": 443}.get(address.scheme, 80)
        if self._told:
            facts |= _messages(prompt.messages)
        return facts

    def answered(self, finished: Finished | None, usage: Usage | None) -> Facts:
        """What is known once it has ended, however it did."""
        facts: Facts = {}
        if self._first_s is not None:
            facts["gen_ai.response.time_to_first_chunk"] = self._first_s
        if finished is not None:
            facts["gen_ai.response.finish_reasons"] = [finished.finish_reason]
        if usage is not None:
            facts["gen_ai.usage.input_tokens"] = usage.prompt_tokens
            facts["gen_ai.usage.output_tokens"] = usage.completion_tokens
            if usage.cached_tokens is not None:
                facts["gen_ai.usage.cache_read.input_tokens"] = usage.cached_tokens
            if usage.reasoning_tokens is not None:
                facts["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning_tokens
        if self._said:
            reason = finished.finish_reason if finished is not None else "error"
            facts["gen_ai.output.messages"] = _json([_message("assistant", "".join(self._said), reason)])
        return facts


def _messages(messages: Sequence[Mapping[str, Any]]) -> Facts:
    said = [(str(it.get("role", "user")), it.get("content")) for it in messages]
    system = [{"type": "text", "content": _text(content)} for role, content in said if role == "system"]
    facts: Facts = {
        "gen_ai.input.messages": _json(
            [_message(role, _text(content)) for role, content in said if role != "system"]
        )
    }
    if system:
        facts["gen_ai.system_instructions"] = _json(system)
    return facts


def _message(role: str, text: str, finish_reason: str | None = None) -> dict[str, Any]:
    message = {"role": role, "parts": [{"type": "text", "content": text}]}
    return message if finish_reason is None else {**message, "finish_reason": finish_reason}


def _text(content: Any) -> str:
    return content if isinstance(content, str) else _json(content)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
