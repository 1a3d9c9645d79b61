"""Anthropic's requests as the chat that a model server reads."""

from typing import Any

import pytest

from gateway.dialects.anthropic.content import InputMessage, chat_messages
from gateway.dialects.anthropic.request import CountRequest, OutputConfig, Thinking, _thinking
from shared.errors import InvalidRequest

PICTURE = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
SHOWN = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}


def of_user(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    """A user's message of these."""
    return chat_messages(None, [InputMessage("user", [*blocks])])


def test_what_tools_gave() -> None:
    """A failure does not look like a result; what was shown comes after all results, before the words."""
    results: list[dict[str, Any]] = [
        {"type": "tool_result", "tool_use_id": "a", "content": [PICTURE]},
        {"type": "tool_result", "tool_use_id": "b", "content": "It broke.", "is_error": True},
    ]
    first, second, said = of_user({"type": "text", "text": "Well?"}, *results)
    assert first == {"role": "tool", "tool_call_id": "a", "content": "See what follows."}
    assert second == {"role": "tool", "tool_call_id": "b", "content": "Error: It broke."}
    assert said["content"] == [
        {"type": "text", "text": "The tool call a showed:"},
        SHOWN,
        {"type": "text", "text": "Well?"},
    ]


def test_citations_are_refused() -> None:
    """They cannot be had, and are not left out in silence."""
    text = {"type": "text", "text": "x", "citations": {"enabled": True}}
    with pytest.raises(InvalidRequest) as refused:
        of_user(text)
    assert refused.value.field == "messages[0].content[0].citations"
    assert of_user({**text, "citations": {"enabled": False}}) == [{"role": "user", "content": "x"}]


@pytest.mark.parametrize(
    ("thinking", "effort", "expected"),
    [
        (Thinking("enabled", 1_024), None, "low"),
        (Thinking("enabled", 4_000), None, "medium"),
        (Thinking("enabled", 15_999), None, "medium"),
        (Thinking("enabled", 16_000), None, "high"),
        (Thinking("disabled", 16_000), None, None),
        (Thinking("adaptive"), None, None),
        (None, "max", "high"),
        (Thinking("enabled", 1_024), "medium", "medium"),
    ],
)
def test_effort(thinking: Thinking | None, effort: Any, expected: str | None) -> None:
    """A budget is as much effort as it is worth; the effort that is named goes before it."""
    config = None if effort is None else OutputConfig(effort=effort)
    body = CountRequest(messages=[InputMessage("user", "x")], thinking=thinking, output_config=config)
    assert _thinking(body).get("reasoning_effort") == expected
