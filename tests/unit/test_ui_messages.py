"""What a model server is given for the AI SDK's messages."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.ai_sdk.chat import UIChatRequest
from gateway.dialects.ai_sdk.messages import UIMessage, chat_messages, last_said
from gateway.edge.body import decode_body
from shared.errors import InvalidRequest

TEXT = {"type": "text", "text": "look"}
PNG = "data:image/png;base64,iVBORw0KGgo="


def converted(role: str, *parts: dict[str, Any]) -> list[dict[str, Any]]:
    """One message of *parts*, as OpenAI writes it."""
    message = {"id": "m1", "role": role, "parts": list(parts)}
    return chat_messages([msgspec.convert(message, UIMessage)], 1000)


def tool(state: str, **facts: Any) -> dict[str, Any]:
    """A part of a tool call."""
    return {"type": "tool-read", "toolCallId": "t1", "state": state, "input": {"gate": 1}, **facts}


def test_text_alone_is_a_string() -> None:
    """One text part is plain content, cleaned like any message: not every server takes lists."""
    assert converted("user", {"type": "text", "text": " a\x07\nb "}) == [{"role": "user", "content": "a\nb"}]


@pytest.mark.parametrize(
    ("file", "part"),
    [
        (
            {"mediaType": "image/png", "url": PNG},
            {"type": "image_url", "image_url": {"url": PNG}},
        ),
        (
            {"mediaType": "image/*", "url": "https://example.org/mill.png"},
            {"type": "image_url", "image_url": {"url": "https://example.org/mill.png"}},
        ),
        (
            {"mediaType": "audio/mpeg", "url": "data:audio/mpeg;base64,SUQz"},
            {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
        ),
        (
            {"mediaType": "application/pdf", "url": "data:application/pdf;base64,JVBE", "filename": "a.pdf"},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
        ),
    ],
)
def test_files_beside_text(file: dict[str, Any], part: dict[str, Any]) -> None:
    """Images, and audio and PDF as data, are content parts after the text."""
    (message,) = converted("user", TEXT, {"type": "file", **file})
    assert message["content"] == [TEXT, part]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "mediaType": "video/mp4", "url": "data:video/mp4;base64,AAAA"},
        {"type": "file", "mediaType": "application/pdf", "url": "https://example.org/a.pdf"},
        {"type": "file", "mediaType": "image/png"},
        {"type": "telepathy"},
        {"text": "no type"},
        {"type": "text", "text": 7},
    ],
)
def test_what_no_model_could_be_given(part: dict[str, Any]) -> None:
    """A part that cannot be passed on is refused by its place, not dropped."""
    with pytest.raises(InvalidRequest) as refused:
        converted("user", TEXT, part)
    assert str(refused.value.field).startswith("messages[0].parts[1]")


@pytest.mark.parametrize(
    ("end", "content"),
    [
        (tool("output-available", output={"metres": 2}), '{"metres":2}'),
        (tool("output-available", output="two"), "two"),
        (tool("output-error", errorText="no gate"), "no gate"),
        (tool("output-denied"), "The user denied this tool call."),
    ],
)
def test_a_tool_call_and_its_result(end: dict[str, Any], content: str) -> None:
    """A finished call is an assistant message with the call, and a tool message after it."""
    function = {"name": "read", "arguments": '{"gate":1}'}
    assert converted("assistant", {"type": "step-start"}, TEXT, end) == [
        {
            "role": "assistant",
            "content": "look",
            "tool_calls": [{"id": "t1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": content},
    ]


def test_steps_are_messages() -> None:
    """Each step of a reply is a message of its own, so that a result stands before what followed it."""
    named = {**tool("output-available", output="2"), "type": "dynamic-tool", "toolName": "read"}
    roles = [
        message["role"]
        for message in converted("assistant", {"type": "step-start"}, named, {"type": "step-start"}, TEXT)
    ]
    assert roles == ["assistant", "tool", "assistant"]


@pytest.mark.parametrize("state", ["input-streaming", "input-available", "approval-requested"])
def test_a_call_without_result_is_left_out(state: str) -> None:
    """A call that was never answered is left out: model servers refuse a call without its result."""
    assert converted("assistant", TEXT, tool(state)) == [{"role": "assistant", "content": "look"}]


def test_a_call_without_an_id() -> None:
    """It is refused: its result could be any call's."""
    with pytest.raises(InvalidRequest) as refused:
        converted("assistant", {**tool("output-available", output="2"), "toolCallId": None})
    assert refused.value.field == "messages[0]"


def test_messages_that_say_nothing() -> None:
    """The last one is refused; an earlier one is left out, or no further message could ever be sent."""
    said = [{"id": "1", "role": "user", "parts": [{"type": "data-x", "data": 1}]}]
    said.append({"id": "2", "role": "user", "parts": [TEXT]})
    messages = msgspec.convert(said, list[UIMessage])
    assert chat_messages(messages, 1000) == [{"role": "user", "content": "look"}]
    with pytest.raises(InvalidRequest) as refused:
        chat_messages(messages[::-1], 1000)
    assert refused.value.field == "messages[1]"


def test_what_is_for_people() -> None:
    """Reasoning, sources and data parts are not sent to the model."""
    unread: list[dict[str, Any]] = [
        {"type": "reasoning", "text": "hm"},
        {"type": "source-url", "sourceId": "s", "url": "https://example.org"},
        {"type": "data-weather", "data": 1},
    ]
    assert converted("assistant", *unread, TEXT) == [{"role": "assistant", "content": "look"}]


def test_last_said() -> None:
    """A chat's last message is the text of its user's last one, without its files."""
    messages = converted("user", TEXT, {"type": "file", "mediaType": "image/png", "url": PNG})
    assert last_said([*messages, {"role": "assistant", "content": "a mill"}]) == "look"


_json = st.none() | st.booleans() | st.integers() | st.text() | st.dictionaries(st.text(), st.text())
_kinds = st.sampled_from(["text", "file", "tool-read", "dynamic-tool", "step-start", "data-x", "reasoning"])
_parts = st.dictionaries(
    st.sampled_from(["text", "url", "mediaType", "state", "output", "input", "toolCallId", "toolName"]),
    _json | st.sampled_from(["output-available", "output-error", "image/png", "data:audio/wav;base64,A"]),
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "id": st.text(),
                "role": st.sampled_from(["system", "user", "assistant"]),
                "parts": st.lists(
                    st.builds(lambda kind, rest: {"type": kind, **rest}, _kinds, _parts), max_size=3
                ),
            }
        ),
        max_size=3,
    )
)
def test_any_messages(messages: list[dict[str, Any]]) -> None:
    """Whatever parts come, they are converted or refused; nothing else is ever raised."""
    body = msgspec.json.encode({"id": "c1", "messages": messages})
    try:
        request = decode_body(body, UIChatRequest)
        msgspec.json.encode(chat_messages(request.messages, 1000))
    except InvalidRequest as refused:
        assert refused.message
