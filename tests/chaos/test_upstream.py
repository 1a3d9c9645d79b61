"""An upstream's every failure has its own code in the terminal event, which keeps what was said before."""

from typing import Any

import pytest
from aiohttp import ClientSession

from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.stack import MODELS, upstream_model
from tests.kit.upstream import FakeUpstream
from worker import producer as produce

LENGTH = 10

FAILURES: dict[str, tuple[dict[str, Any], str, bool, int]] = {
    "500": ({"status": 500}, "upstream_failed", True, 0),
    "503 with Retry-After": ({"status": 503, "retry_after": "0"}, "upstream_failed", True, 0),
    "503 with a long Retry-After": ({"status": 503, "retry_after": "3600"}, "upstream_failed", True, 0),
    "429": ({"status": 429}, "upstream_rate_limited", True, 0),
    "429 with Retry-After": ({"status": 429, "retry_after": "0"}, "upstream_rate_limited", True, 0),
    "400": ({"status": 400}, "upstream_rejected", False, 0),
    "401": ({"status": 401}, "upstream_unauthorized", False, 0),
    "402": ({"status": 402}, "insufficient_quota", False, 0),
    "silence before the answer": ({"never_answer": True}, "first_token_timeout", True, 0),
    "silence before the first": ({"stall_after": 0}, "first_token_timeout", True, 0),
    "silence in mid-answer": ({"stall_after": 4}, "between_tokens_timeout", True, 4),
    "breaks before the first": ({"break_after": 0}, "upstream_broke", True, 0),
    "breaks between events": ({"break_after": 4}, "upstream_broke", True, 4),
    "breaks inside a line": ({"break_after": 4, "break_inside": "line"}, "upstream_broke", True, 4),
    "breaks inside a character": ({"break_after": 4, "break_inside": "utf8"}, "upstream_broke", True, 4),
    "breaks by a reset": ({"break_after": 4, "break_by_reset": True}, "upstream_broke", True, 4),
    "ends without a word": ({"end_after": 0}, "upstream_failed", True, 0),
    "garbage": ({"garbage_after": 4}, "upstream_invalid", True, 4),
    "no UTF-8": ({"invalid_utf8_after": 4}, "upstream_invalid", True, 4),
    "10 MB line": ({"huge_line_after": 4}, "upstream_invalid", True, 4),
    "ends in order, too early": ({"end_after": 4}, "upstream_broke", True, 4),
    "says DONE too early": ({"done_after": 4}, "upstream_broke", True, 4),
    "error frame": ({"error_frame_after": 4}, "upstream_failed", True, 4),
}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried at once."""
    monkeypatch.setattr(produce, "_BACKOFF_S", 0.01)


@pytest.mark.parametrize("behaviour, code, retryable, kept", FAILURES.values(), ids=FAILURES.keys())
async def test_each_failure_has_its_code(
    local: Local, session: ClientSession, behaviour: dict[str, Any], code: str, retryable: bool, kept: int
) -> None:
    """The log ends with that code, says whether to try again, and record and log keep the partial text."""
    # Only silence is to come to its time-out.
    within_s = 0.3 if code.endswith("_timeout") else 30
    async with FakeUpstream() as upstream:
        model = upstream_model(
            upstream.url, first_token_timeout_s=within_s, between_tokens_timeout_s=within_s
        )
        await local.start(MODELS + model)
        chat = ChatClient(session, local.url)
        reader = await chat.ask(script(length=LENGTH, **behaviour), model="upstream")
        metadata = reader.end.data["metadata"]
        assert (reader.end.type, metadata["code"], metadata["retryable"]) == ("error", code, retryable)
        assert reader.end.data["content"]
        assert len(reader.text.split()) == kept
        status = await chat.status(reader.generation_id)
        assert (status["state"], status["text"]) == ("failed", reader.text)
        assert status["error"]["code"] == code


@pytest.mark.parametrize(
    "behaviour",
    [
        {"done": False},
        {"stall_at_end": True},
        {"usage": False},
        {"content_type": "text/plain"},
    ],
)
async def test_an_answer_that_is_whole_is_no_failure(
    local: Local, session: ClientSession, behaviour: dict[str, Any]
) -> None:
    """Who never says `[DONE]`, keeps the connection open or counts nothing has answered all the same."""
    async with FakeUpstream() as upstream:
        await local.start(MODELS + upstream_model(upstream.url))
        reader = await ChatClient(session, local.url).ask(
            script(length=LENGTH, **behaviour), model="upstream"
        )
        assert reader.end.type == "end"
        assert len(reader.text.split()) == LENGTH


@pytest.mark.parametrize(
    "behaviour",
    [{"status": 503}, {"status": 429, "retry_after": "0"}, {"break_after": 0}, {"break_after": 4}],
)
async def test_a_failure_that_passes_costs_nothing(
    local: Local, session: ClientSession, behaviour: dict[str, Any]
) -> None:
    """Two failures in a row are tried over, with what was said either gone on from or voided."""
    async with FakeUpstream() as upstream:
        await local.start(MODELS + upstream_model(upstream.url))
        message = script(length=LENGTH, fail_times=2, **behaviour)
        reader = await ChatClient(session, local.url).ask(message, model="upstream")
        assert reader.end.type == "end"
        assert len(reader.text.split()) == LENGTH
        assert len(upstream.requests) == 3


@pytest.mark.parametrize(
    ("behaviour", "requests"),
    [
        ({"status": 500}, 3),
        ({"status": 429}, 3),
        ({"error_frame_after": 0}, 3),
        ({"end_after": 0}, 3),
        ({"break_after": 0}, 3),
        ({"status": 400}, 1),
        ({"status": 401}, 1),
        ({"status": 402}, 1),
        ({"status": 403}, 1),
        ({"status": 404}, 1),
        ({"status": 422}, 1),
        ({"status": 501}, 1),
        ({"status": 429, "message": "You exceeded your current quota."}, 1),
        ({"status": 500, "message": "This model's maximum context length is 4096 tokens."}, 1),
        ({"status": 503, "retry_after": "3600"}, 1),
        ({"never_answer": True}, 1),
        ({"error_frame_after": 4}, 1),
        ({"end_after": 4}, 1),
    ],
)
async def test_what_cannot_succeed_is_asked_once(
    local: Local, session: ClientSession, behaviour: dict[str, Any], requests: int
) -> None:
    """Three times what may pass, before the first word; everything else once."""
    async with FakeUpstream() as upstream:
        # Of what is silent alone: on a busy machine it could end before a request has arrived.
        patience_s = 1.0 if "never_answer" in behaviour else 20
        await local.start(MODELS + upstream_model(upstream.url, first_token_timeout_s=patience_s))
        await ChatClient(session, local.url).ask(script(length=LENGTH, **behaviour), model="upstream")
        assert len(upstream.requests) == requests


async def test_an_end_without_a_word(local: Local, session: ClientSession) -> None:
    """Of a server that never says why, a stream that ends in order is over: nothing is asked again."""
    async with FakeUpstream() as upstream:
        await local.start(MODELS + upstream_model(upstream.url, ends_unsaid=True))
        reader = await ChatClient(session, local.url).ask(
            script(length=LENGTH, end_after=4), model="upstream"
        )
        assert [frame.type for frame in reader.frames] == ["start", *["chunk"] * 4, "end"]
        assert reader.end.data["metadata"]["finish_reason"] == "unknown"


async def test_nobody_listens(local: Local, session: ClientSession) -> None:
    """A refused connection is `upstream_refused`."""
    await local.start(MODELS + upstream_model("http://127.0.0.1:9/v1"))
    reader = await ChatClient(session, local.url).ask("Hello", model="upstream")
    assert reader.end.data["metadata"]["code"] == "upstream_refused"
    assert reader.end.data["metadata"]["retryable"] is True
