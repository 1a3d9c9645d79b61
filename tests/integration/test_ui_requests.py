"""Chats as assistant-ui's transport sends them: its system, settings, config and tools by their names."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.kit.local import Local
from tests.kit.stack import MODELS, upstream_model
from tests.kit.upstream import FakeUpstream

#: As `AssistantChatTransport` makes it, with all that it can hold.
BODY: dict[str, Any] = {
    "callSettings": {
        "maxTokens": 50,
        "temperature": 0.5,
        "topP": 0.9,
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "headers": {"x": "y"},
    },
    "system": "Be brief.",
    "config": {"modelName": "upstream", "apiKey": "none", "baseUrl": "https://example.org"},
    "tools": {
        "read_level": {
            "description": "Reads it.",
            "parameters": {"type": "object", "default": None},
            "providerOptions": {"of": {"another": 1}},
        },
        "open_gate": {"parameters": {"type": "object"}},
    },
    "id": "c1",
    "messages": [
        {"id": "m1", "role": "user", "metadata": {"custom": {}}, "parts": [{"type": "text", "text": "Hi"}]}
    ],
    "trigger": "submit-message",
    "metadata": {"of": "the page"},
}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    """The model server that is asked."""
    async with FakeUpstream(length=2) as upstream:
        yield upstream


async def send(local: Local, session: ClientSession, body: dict[str, Any]) -> tuple[int, Any]:
    """The answer's status, and its error if it is one."""
    async with session.post(local.url + "/api/ui/chat", json=body) as answer:
        return answer.status, await (answer.json() if answer.status != 200 else answer.text())


async def test_all_that_assistant_ui_sends(
    local: Local, session: ClientSession, upstream: FakeUpstream
) -> None:
    """All of it reaches the model as OpenAI writes it; what is the client's own affair does not."""
    await local.start(MODELS + upstream_model(upstream.url))
    status, frames = await send(local, session, BODY)
    assert status == 200
    assert frames.endswith("data: [DONE]\n\n")
    sent = upstream.requests[-1].body
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]
    assert sent["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "read_level",
                "description": "Reads it.",
                "parameters": {"type": "object", "default": None},
            },
        },
        {"type": "function", "function": {"name": "open_gate", "parameters": {"type": "object"}}},
    ]
    settings = {"max_tokens": 50, "temperature": 0.5, "top_p": 0.9, "seed": 7}
    assert settings.items() <= sent.items()
    assert not {"metadata", "config", "system", "headers"} & sent.keys()


@pytest.mark.parametrize(
    "without",
    [
        {"tools": {}, "callSettings": {}, "config": {}, "system": "", "metadata": None},
        {"tools": None, "callSettings": None, "config": None, "system": None, "messageId": None},
    ],
)
async def test_nothing_of_it(
    local: Local, session: ClientSession, upstream: FakeUpstream, without: dict[str, Any]
) -> None:
    """What is empty or null says nothing to the model, and the default model answers."""
    await local.start('default = "upstream"\n' + upstream_model(upstream.url))
    assert (await send(local, session, BODY | without))[0] == 200
    sent = upstream.requests[-1].body
    assert sent["messages"] == [{"role": "user", "content": "Hi"}]
    assert sent.keys() == {"model", "messages", "stream", "stream_options"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"callSettings": {"temperature": 9}}, "callSettings.temperature"),
        ({"callSettings": {"magic": 1}}, "callSettings.magic"),
        ({"config": {"modelName": "nope"}}, "config.modelName"),
        ({"tools": {"x": {"parameters": 1}}}, "tools[...].parameters"),
        ({"system": 1}, "system"),
        ({"callSettings": {"topK": 5}}, "top_k"),
    ],
)
async def test_what_cannot_be_honoured(
    local: Local, session: ClientSession, fields: dict[str, Any], field: str
) -> None:
    """It is refused by name."""
    await local.start(worker=False)
    status, answer = await send(local, session, BODY | {"config": {}} | fields)
    assert (status, answer["error"]["field"]) == (400, field)


async def test_nulls_of_chat_messages(local: Local, session: ClientSession, upstream: FakeUpstream) -> None:
    """In OpenAI's chat, what a client leaves null in messages and tools is not there for the model server."""
    url = await local.start(MODELS + upstream_model(upstream.url))
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = {
        "model": "upstream",
        "messages": [
            {"role": "user", "content": "Hi", "name": None},
            {"role": "assistant", "content": None, "tool_calls": [call], "audio": None, "refusal": None},
            {"role": "tool", "tool_call_id": "c", "content": "1", "name": None},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": None, "strict": None, "parameters": {}},
            }
        ],
        "functions": None,
        "logit_bias": None,
        "stream_options": {"include_obfuscation": None},
        "stream": True,
    }
    async with session.post(url + "/v1/chat/completions", json=body) as answer:
        assert answer.status == 200, await answer.text()
        await answer.read()
    sent = upstream.requests[-1].body
    assert sent["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    ]
    assert sent["tools"] == [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    assert not {"functions", "logit_bias"} & sent.keys()
