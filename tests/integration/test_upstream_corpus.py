"""Recorded answers of model servers, each with its right outcome, in every dialect, streamed and whole."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession

from gateway.relay.feed import Subscriber
from tests.kit.heard import LISTENERS, Heard
from tests.kit.local import Local
from tests.kit.upstream_corpus import CorpusServer, Recorded, corpus
from worker import producer

_AT_ONCE = 24
_CHAT_REASONS = {"unknown": "stop"}
_UI_REASONS = {"tool_calls": "tool-calls", "content_filter": "content-filter", "unknown": "other"}
_STATUSES = {
    "upstream_rejected": 400,
    "context_length_exceeded": 400,
    "upstream_rate_limited": 429,
    "insufficient_quota": 429,
}


@pytest.fixture
async def server(local: Local, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A gateway and a worker before the server of all recorded answers."""
    monkeypatch.setattr(producer, "_BACKOFF_S", 0.001)
    first_words = Subscriber.first_words
    # So many at once may take longer on a busy machine.
    monkeypatch.setattr(Subscriber, "first_words", lambda self, within_s: first_words(self, 30))
    async with CorpusServer(corpus()) as server:
        models = f'[models.plain]\nbase_url = "{server.url}"\n'
        models += f'[models.unsaid]\nbase_url = "{server.url}"\nends_unsaid = true\n'
        await local.start(models + f'[models.think]\nbase_url = "{server.url}"\nthink_tags = true\n')
        yield server


def test_there_are_many() -> None:
    """Each is a file."""
    assert len(corpus()) >= 120


@pytest.mark.parametrize("dialect", LISTENERS)
async def test_each_answer_in_each_dialect(
    local: Local, session: ClientSession, server: CorpusServer, dialect: str
) -> None:
    """Text, reasoning, calls, reason, usage or error are those that stand beside the answer."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def play(name: str, answer: Recorded) -> list[str]:
        async with turns:
            heard = await LISTENERS[dialect](session, local.url, answer.model, name)
        wrong = _differences(answer, heard, dialect)
        requests = answer.expect.requests
        if requests is not None and server.asked[name] != requests:
            wrong.append(f"asked {server.asked[name]} times, not {requests}")
        return [f"{name}: {each}" for each in wrong]

    played = await asyncio.gather(*(play(name, answer) for name, answer in corpus().items()))
    assert not (wrong := [each for differences in played for each in differences]), "\n".join(wrong)


async def test_what_is_stored(local: Local, session: ClientSession, server: CorpusServer) -> None:
    """The conversation's message says why an answer ended, in our words and in the upstream's."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def play(name: str, answer: Recorded) -> list[str]:
        expect, where = answer.expect, f"{local.url}/api/conversations/c-{name}"
        body = {"message": f"{name} stored", "model": answer.model, "conversation_id": f"c-{name}"}
        async with turns:
            async with session.post(f"{local.url}/api/chat/stream", json=body) as response:
                await response.read()
            async with session.get(where) as response:
                stored = (await response.json())["messages"][-1]
        told = {
            "content": expect.text,
            "reasoning": expect.reasoning or None,
            "state": "failed" if expect.error else "done",
            "finish_reason": "error" if expect.error else expect.finish_reason,
        }
        if expect.upstream_reason or not expect.error:
            told["upstream_reason"] = expect.upstream_reason
        wrong = [f"{name}: {key} is {stored.get(key)!r}" for key in told if stored.get(key) != told[key]]
        if (stored.get("reasoning_ms") is not None) != bool(expect.reasoning):
            wrong.append(f"{name}: reasoning_ms is {stored.get('reasoning_ms')}")
        return wrong

    played = await asyncio.gather(*(play(name, answer) for name, answer in corpus().items()))
    assert not (wrong := [each for differences in played for each in differences]), "\n".join(wrong)


def _differences(answer: Recorded, heard: Heard, dialect: str) -> list[str]:
    expect, whole = answer.expect, dialect.endswith("whole")
    told: dict[str, tuple[Any, Any]] = {}
    if expect.error:
        told["error"] = heard.error, "error" if dialect == "ui_message" else expect.error
        told["message"] = expect.message in heard.message or heard.message, True
        if dialect not in {"native", "ui_message"} and (whole or expect.silent):
            told["status"] = heard.status, _STATUSES.get(expect.error, 502)
            after = None if expect.retry_after_s is None else str(round(expect.retry_after_s))
            told["Retry-After"] = heard.retry_after, after
    else:
        told["error"] = (heard.error and f"{heard.error}: {heard.message}"), None
        told["reason"] = heard.finish_reason, _reason(expect.finish_reason, dialect)
        told["usage"] = _usage(heard.usage, dialect), expect.usage and {**_UNKNOWN, **expect.usage}
        if expect.usage is None:
            told["usage"] = bool(heard.usage and heard.usage.get("estimated")), True
    if not (expect.error and whole):
        told["text"] = heard.text, expect.text
        if expect.error is None:
            told["reasoning"] = heard.reasoning, expect.reasoning
            told["calls"] = _calls(heard, expect.calls), [[c.id, c.name, c.arguments] for c in expect.calls]
    return [f"{key} is {had!r}, not {wanted!r}" for key, (had, wanted) in told.items() if had != wanted]


_UNKNOWN = {"cached_tokens": None, "reasoning_tokens": None}


def _reason(reason: str | None, dialect: str) -> str | None:
    if reason is None or dialect == "native":
        return reason
    if dialect.startswith("chat"):
        return _CHAT_REASONS.get(reason, reason)
    if dialect == "ui_message":
        return _UI_REASONS.get(reason, reason)
    return reason if reason in {"length", "content_filter"} else None


def _calls(heard: Heard, expected: list[Any]) -> list[list[str]]:
    """With ids that we make up left out, and no id twice."""
    ids = [call[0] for call in heard.calls]
    assert len(set(ids)) == len(ids)
    assert all(ids)
    made_up = [not call.id for call in expected] + [False] * len(ids)
    return [["" if made_up[i] else call[0], *call[1:]] for i, call in enumerate(heard.calls)]


def _usage(usage: dict[str, Any] | None, dialect: str) -> dict[str, Any] | None:
    """Under our own names; details that nobody gave are None, in Responses 0."""
    if usage is None or usage.get("estimated"):
        return None
    if dialect.startswith("response"):
        return {
            "prompt_tokens": usage["input_tokens"],
            "completion_tokens": usage["output_tokens"],
            "total_tokens": usage["total_tokens"],
            "cached_tokens": usage["input_tokens_details"]["cached_tokens"] or None,
            "reasoning_tokens": usage["output_tokens_details"]["reasoning_tokens"] or None,
        }
    if dialect == "ui_message":
        names = {
            "prompt_tokens": "inputTokens",
            "completion_tokens": "outputTokens",
            "total_tokens": "totalTokens",
            "cached_tokens": "cachedInputTokens",
            "reasoning_tokens": "reasoningTokens",
        }
        return {ours: usage.get(theirs) for ours, theirs in names.items()}
    counts = {name: usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    if dialect == "native":
        return {**_UNKNOWN, **usage}
    cached, reasoning = usage.get("prompt_tokens_details", {}), usage.get("completion_tokens_details", {})
    return {**_UNKNOWN, **counts, **cached, **reasoning}
