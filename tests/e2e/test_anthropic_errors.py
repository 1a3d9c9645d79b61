"""What Anthropic's Python client is told of a message that fails, or asks for what there is not."""

from typing import Any

import pytest

from tests.kit.anthropic_streams import asked, whole
from tests.kit.chat_client import script
from worker.backends.script import expected_text


def refusals(kind: str) -> Any:
    """What ends well if a *kind* of the client's errors is raised."""
    # Here, for its import takes a second, and each process of the tests collects this.
    import anthropic

    return pytest.raises(getattr(anthropic, kind))


@pytest.mark.parametrize(
    ("code", "kind", "status", "name"),
    [
        ("upstream_rejected", "BadRequestError", 400, "invalid_request_error"),
        ("context_length_exceeded", "BadRequestError", 400, "invalid_request_error"),
        ("upstream_rate_limited", "RateLimitError", 429, "rate_limit_error"),
        ("upstream_invalid", "InternalServerError", 502, "api_error"),
        ("first_token_timeout", "APIStatusError", 504, "timeout_error"),
    ],
)
async def test_a_failed_generation(anthropic: Any, code: str, kind: str, status: int, name: str) -> None:
    """It has a status where the answer is awaited, or has no word yet; in mid-stream it is an `error`."""
    for streams in (False, True):
        # Before the first word some are worth another try, and take longer than a status waits.
        after = 0 if streams and code != "upstream_rate_limited" else 3
        with refusals(kind) as refused:
            asked_again = script(fail_after=after, fail_code=code)
            await whole(anthropic, asked_again, stream=streams and after == 0)
        assert refused.value.status_code == status
        assert refused.value.body["error"]["type"] == name
    text = ""
    with refusals("APIStatusError") as failed:
        async for event in await whole(anthropic, script(fail_after=3, fail_code=code), stream=True):
            text += getattr(getattr(event, "delta", None), "text", "")
    assert text == expected_text({"length": 3})
    assert failed.value.body["error"]["type"] == name
    assert ("prompt is too long" in str(failed.value)) == (code == "context_length_exceeded")


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"model": "nope"}, "NotFoundError", "model"),
        ({"messages": []}, "BadRequestError", "messages"),
        (
            {"system": "Be brief.", "messages": [{"role": "user", "content": []}]},
            "BadRequestError",
            "messages",
        ),
        (
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            "BadRequestError",
            "tools[0].type",
        ),
        ({"tool_choice": {"type": "tool", "name": "x"}}, "BadRequestError", "tool_choice.name"),
        ({"extra_headers": {"anthropic-version": "1999"}}, "BadRequestError", "anthropic-version"),
        ({"extra_body": {"mcp_servers": []}}, "BadRequestError", "mcp_servers"),
        ({"extra_body": {"top_k": 5}}, "BadRequestError", "top_k"),
        (
            {"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]},
            "BadRequestError",
            "messages[0].content[0].type",
        ),
    ],
)
async def test_what_cannot_be_honoured(anthropic: Any, fields: dict[str, Any], kind: str, param: str) -> None:
    """It is refused in Anthropic's shape, with the field's name and the request's id."""
    with refusals(kind) as refused:
        await anthropic.messages.create(**{**asked(), **fields})
    body: Any = refused.value.body
    assert (body["type"], body["error"]["param"]) == ("error", param)
    assert body["request_id"] == refused.value.request_id
    assert refused.value.response.headers["x-should-retry"] == "false"
