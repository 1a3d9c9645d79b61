"""How often a model server is asked, and what: once too often is money, once too few an answer."""

import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client import REGISTRY

from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.stack import MODELS, upstream_model
from tests.kit.upstream import FakeUpstream
from worker import producer
from worker.backends.script import expected_text

LENGTH = 10


@pytest.fixture
async def upstream(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeUpstream]:
    """A model server; what is tried again is tried soon."""
    monkeypatch.setattr(producer, "_BACKOFF_S", 0.01)
    async with FakeUpstream() as upstream:
        yield upstream


@pytest.mark.parametrize(
    "behaviour, times",
    [
        ({"status": 500}, 3),
        ({"status": 503, "retry_after": "0"}, 3),
        ({"status": 429, "retry_after": "0"}, 3),
        ({"break_after": 0}, 3),
        ({"break_after": 4}, 3),
        ({"status": 503, "retry_after": "21"}, 1),
        ({"never_answer": True}, 1),
        ({"stall_after": 0}, 1),
        ({"status": 400}, 1),
        ({"status": 401}, 1),
        ({"stall_after": 4}, 1),
        ({"error_frame_after": 4}, 1),
        ({"garbage_after": 4}, 1),
    ],
)
async def test_how_often_it_is_asked(
    local: Local, session: ClientSession, upstream: FakeUpstream, behaviour: dict[str, Any], times: int
) -> None:
    """Three times for what may pass and costs nobody patience, or broke off; else once."""
    # Only of those that are silent: all tries of the others have to be within the time for a first token.
    is_silent = "never_answer" in behaviour or "stall_after" in behaviour
    patience: dict[str, Any] = {"first_token_timeout_s": 0.5, "between_tokens_timeout_s": 0.3}
    model = upstream_model(upstream.url, **patience if is_silent else {})
    await local.start(MODELS + model)
    before = retries()
    reader = await ChatClient(session, local.url).ask(script(length=LENGTH, **behaviour), model="upstream")
    assert reader.end.type == "error"
    assert len(upstream.requests) == times
    assert retries() == before + times - 1
    wait_s = float(behaviour.get("retry_after", -1))
    assert reader.end.data["metadata"].get("retry_after_s", -1) == wait_s


def retries() -> float:
    """How many this process has counted."""
    return REGISTRY.get_sample_value("headrace_upstream_retries_total", {"model": "upstream"}) or 0


async def test_an_absent_broker_is_no_silent_model(
    local: Local, session: ClientSession, broker: EmbeddedBroker, upstream: FakeUpstream
) -> None:
    """While nothing can be written the model waits for us, and its time limit for the next token with it."""
    limits: dict[str, Any] = {"between_tokens_timeout_s": 0.3}
    await local.start(
        MODELS + upstream_model(upstream.url, **limits), max_unacknowledged_events=10, lease_s=5
    )
    chat, options = ChatClient(session, local.url), {"length": 400, "rate": 400}
    async with await chat.send(script(**options), model="upstream") as reader:
        await reader.until("chunk")
        broker.pause(signal.SIGSTOP)
        try:
            steps = upstream.requests[0].steps
            await eventually(lambda: upstream.requests[0].steps > steps + 300, "the model writes on")
        finally:
            broker.pause(signal.SIGCONT)
        await reader.all()
    assert reader.text == expected_text(options)


async def test_a_system_prompt(local: Local, session: ClientSession, upstream: FakeUpstream) -> None:
    """It comes first, also of a conversation whose beginning the model cannot read, and once."""
    options: dict[str, Any] = {"system_prompt": "Be brief.", "max_context_tokens": 20}
    await local.start(MODELS + upstream_model(upstream.url, **options))
    chat = ChatClient(session, local.url)
    for i in range(4):
        await chat.ask(f"Question {i} " + "x" * 20, conversation_id="c1", model="upstream")
        sent = upstream.requests[-1].body["messages"]
        assert sent[0] == {"role": "system", "content": "Be brief."}
        assert [message["role"] for message in sent].count("system") == 1
        assert sent[-1]["content"].startswith(f"Question {i}")
    assert "Question 0" not in str(sent), "the conversation was cut"
