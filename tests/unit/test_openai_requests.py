"""Requests of OpenAI's clients: whatever a body holds, only our own errors come of it."""

import time
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.dialects.openai.chat import CompletionRequest, check_messages
from gateway.dialects.openai.response_items import chat_messages, items_of
from gateway.dialects.openai.response_request import ResponseRequest
from gateway.dialects.openai.response_tools import chat_tools
from gateway.edge.body import decode_body
from shared.errors import InvalidRequest

_BODIES = (CompletionRequest, ResponseRequest)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
#: Values that are nearly what is wanted.
words = st.sampled_from(
    [
        *("message", "function", "function_call", "function_call_output", "reasoning", "item_reference"),
        *("input_text", "output_text", "input_image", "input_file", "input_audio", "refusal", "text"),
        *("user", "assistant", "tool", "system", "auto", "allowed_tools", "name"),
    ]
)
names = st.sampled_from(
    [
        *("type", "role", "content", "id", "name", "call_id", "arguments", "output", "text", "tools", "mode"),
        *("image_url", "file_data", "filename", "input_audio", "refusal", "tool_calls", "detail", "status"),
    ]
)
objects = st.recursive(
    st.dictionaries(names, words | json_values, max_size=5),
    lambda inner: st.dictionaries(names, words | inner | st.lists(inner, max_size=3), max_size=5),
    max_leaves=8,
)


@given(body=st.binary(max_size=200) | json_values.map(msgspec.json.encode) | objects.map(msgspec.json.encode))
def test_any_body_is_taken_or_refused(body: bytes) -> None:
    """A body of whatever bytes becomes a request, or an InvalidRequest."""
    for kind in _BODIES:
        try:
            decode_body(body, kind)
        except InvalidRequest as refused:
            assert refused.message


@given(fields=st.dictionaries(st.sampled_from(CompletionRequest.__struct_fields__), json_values, max_size=6))
def test_fields_of_any_value(fields: dict[str, Any]) -> None:
    """A known field of any value is taken, and can be written again, or it is refused by name."""
    for kind in _BODIES:
        known = {name: value for name, value in fields.items() if name in kind.__struct_fields__}
        try:
            request = decode_body(msgspec.json.encode(known), kind)
        except InvalidRequest as refused:
            assert refused.field is None or refused.field.split(".")[0].split("[")[0] in known | {
                "messages": 0
            }
        else:
            assert msgspec.json.decode(msgspec.json.encode(request), type=kind) == request


@example(items=[{"role": "assistant", "content": [{"type": "input_image", "image_url": "data:,"}]}])
@given(items=st.lists(objects, max_size=4))
def test_items_and_messages_of_any_shape(items: list[dict[str, Any]]) -> None:
    """Input items become chat messages that the chat check accepts, or an InvalidRequest that names one."""
    try:
        check_messages(items, "messages")
    except InvalidRequest as refused:
        assert (refused.field or "").startswith("messages[")
    try:
        messages = chat_messages(items)
    except InvalidRequest as refused:
        assert (refused.field or "").startswith("input[")
        return
    check_messages(messages, "messages")
    assert len({item["id"] for item in items_of(items, "x") if item["id"].startswith("item_x_")}) <= len(
        items
    )


@given(choice=st.none() | st.text() | objects, tools=st.lists(objects, max_size=3))
def test_tools_and_choices_of_any_shape(
    choice: str | dict[str, Any] | None, tools: list[dict[str, Any]]
) -> None:
    """Tools, and which of them is to be called, are understood, left out or refused by name."""
    try:
        asked = chat_tools([{"type": "function", "name": "name"}, *tools], choice)
    except InvalidRequest as refused:
        assert (refused.field or "").split("[")[0] in {"tool_choice", "tools"}
    else:
        assert len(asked.functions) <= 1 + sum(len(tool.get("tools", [0])) for tool in tools)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_depth_is_refused_before_a_parser_meets_its_limit(opening: bytes) -> None:
    """A body of a hundred levels or a million is refused in no time, and brackets in text are text."""
    for levels in (101, 400_000):
        began = time.process_time()
        with pytest.raises(InvalidRequest, match="levels"):
            decode_body(opening * levels, CompletionRequest)
        assert time.process_time() - began < 1
    text = msgspec.json.encode({"messages": [{"role": "user", "content": '"[' * 500}]})
    assert len(decode_body(text, CompletionRequest).messages) == 1
