"""Every finish reason that the code knows has its word in every dialect; one that none knows has one too."""

import json
import random
from typing import Any, get_args

import pytest

from gateway.dialects.ag_ui.frames import AG_UI
from gateway.dialects.ai_sdk import frames as ai_sdk
from gateway.dialects.anthropic import message as anthropic
from gateway.dialects.anthropic.frames import MESSAGES
from gateway.dialects.native.frames import NATIVE
from gateway.dialects.openai import chat_frames, response_frames
from gateway.edge.sse import reconnect_ms
from shared.events import End, FinishReason, Start, Usage
from shared.outcome import Outcome
from tests.unit.test_voided import frames

#: All of the code's own: a reason that joins one of these joins this test. And one of a newer version.
TABLES = (
    *(chat_frames._FINISH_REASONS, ai_sdk._FINISH_REASONS, response_frames._INCOMPLETE),
    anthropic._STOP_REASONS,
)
REASONS = sorted({*get_args(FinishReason), *(reason for table in TABLES for reason in table), "newer"})
CHAT = dict.fromkeys(["cancelled", "error", "unknown", "newer"], "stop")
AI_SDK = {
    "content_filter": "content-filter",
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
    "error": "other",
    "unknown": "other",
    "newer": "other",
}
ANTHROPIC = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
RESPONSES = {"length": "incomplete", "content_filter": "incomplete", "cancelled": "cancelled"}


def ended(dialect: Any, reason: str) -> list[dict[str, Any]]:
    """What it makes of an end for that reason."""
    return frames(dialect, [Start(ts=1, model="m"), End(ts=2, finish_reason=reason, usage=Usage(1, 2, 3))])[
        -1
    ]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason(reason: str) -> None:
    """Its word in each dialect, and the state it leaves the record in."""
    [native] = ended(NATIVE, reason)
    assert native["metadata"]["finish_reason"] == reason
    choice = ended(chat_frames.CHAT, reason)[0]["choices"][0]
    assert choice["finish_reason"] == CHAT.get(reason, reason)
    assert choice.get("native_finish_reason") == (reason if reason in CHAT else None)
    last = ended(ai_sdk.UI_MESSAGE, reason)[-1]
    if reason == "cancelled":
        assert last["type"] == "abort"
    else:
        assert (last["type"], last["finishReason"]) == ("finish", AI_SDK.get(reason, reason))
    response = ended(response_frames.RESPONSES, reason)[-1]["response"]
    assert response["status"] == RESPONSES.get(reason, "completed")
    why = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reason)
    assert response["incomplete_details"] == ({"reason": why} if why else None)
    [delta, stop] = ended(MESSAGES, reason)
    assert delta["delta"]["stop_reason"] == ANTHROPIC.get(reason, "end_turn")
    assert delta["delta"].get("finish_reason") == (None if reason in ANTHROPIC else reason)
    assert stop["type"] == "message_stop"
    finished = ended(AG_UI, reason)[-1]
    assert finished["outcome"]["type"] == ("cancelled" if reason == "cancelled" else "success")
    assert finished["result"]["finishReason"] == reason
    fields = json.loads(Outcome().closing("gen_x", End(ts=2, finish_reason=reason)))["fields"]
    assert fields["state"] == ("cancelled" if reason == "cancelled" else "done")
    assert fields["finish_reason"] == reason


def test_readers_that_must_move_do_not_come_back_together() -> None:
    """They are told to wait from half to one and a half of the usual, each otherwise."""
    random.seed(1)
    told = [reconnect_ms(1000) for _ in range(1000)]
    assert min(told) < 550 and max(told) > 1450
    assert min(told) >= 500 and max(told) <= 1500
    assert len(set(told)) > 500
