"""Models that cannot do all that a request may ask for."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from deploy.model.catalogue import QWEN
from deploy.up import models_file
from shared import models
from tests.kit.local import Local
from tests.kit.stack import MODELS, upstream_model
from tests.kit.upstream import FakeUpstream

CANNOT = list(QWEN.embedded(Path("model.gguf")).cannot)
PICTURE = "data:image/png;base64,AA=="
SOUND = {"data": "AA==", "format": "wav"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
FUNCTION = {"type": "function", "name": "f", "parameters": {}}
NAMED = {"type": "function", "function": {"name": "f"}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def chat(*parts: Any, **fields: Any) -> tuple[str, dict[str, Any]]:
    """A chat completion of one message."""
    return "/v1/chat/completions", {"messages": [{"role": "user", "content": list(parts) or "Hi"}], **fields}


def response(*parts: Any, **fields: Any) -> tuple[str, dict[str, Any]]:
    """A response to one message."""
    return "/v1/responses", {"input": [{"role": "user", "content": list(parts) or "Hi"}], **fields}


def ui(*parts: Any, **fields: Any) -> tuple[str, dict[str, Any]]:
    """A chat of the AI SDK's of one message."""
    said = {"id": "m1", "role": "user", "parts": list(parts) or [{"type": "text", "text": "Hi"}]}
    return "/api/ui/chat", {"id": "c1", "messages": [said], **fields}


def brief(url: str) -> str:
    """A `models.toml` with a model that can do no more than the embedded one."""
    return MODELS + upstream_model(url, "brief", cannot=CANNOT)


@pytest.mark.parametrize(
    ("call", "field", "named"),
    [
        (chat({"type": "image_url", "image_url": {"url": PICTURE}}), "messages", "pictures"),
        (chat({"type": "input_audio", "input_audio": SOUND}), "messages", "hear"),
        (chat({"type": "file", "file": {"file_data": "AA=="}}), "messages", "files"),
        (chat(tools=[TOOL], tool_choice="required"), "tool_choice", "tools"),
        (
            chat(tools=[TOOL], tool_choice=NAMED),
            "tool_choice",
            "tools",
        ),
        (
            chat(messages=[{"role": "assistant", "tool_calls": [CALL]}, {"role": "user", "content": "x"}]),
            *("messages", "tools"),
        ),
        (response({"type": "input_image", "image_url": PICTURE}), "input", "pictures"),
        (
            response(tools=[FUNCTION], tool_choice="required"),
            "tool_choice",
            "tools",
        ),
        (ui({"type": "file", "mediaType": "image/png", "url": PICTURE}), "messages", "pictures"),
        (ui(tools=[TOOL], tool_choice="required"), "tool_choice", "tools"),
    ],
)
async def test_what_a_model_cannot_do(
    local: Local, session: ClientSession, call: tuple[str, dict[str, Any]], field: str, named: str
) -> None:
    """It is refused with 400, by the field and by the model's name, before anybody asks the model."""
    url = await local.start(brief("http://127.0.0.1:1/v1"), worker=False)
    path, body = call
    async with session.post(url + path, json=body | {"model": "brief"}) as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error.get("param", error.get("field"))) == (400, field), error
    assert "'brief'" in error["message"]
    assert named in error["message"]


async def test_tools_that_a_model_may_leave_alone(local: Local, session: ClientSession) -> None:
    """Tools among which the model may choose are not shown to one that knows none; its answer comes."""
    async with FakeUpstream(length=2) as upstream:
        url = await local.start(brief(upstream.url))
        for path, body in (
            chat(tools=[TOOL], tool_choice="auto", parallel_tool_calls=True),
            response(tools=[FUNCTION]),
            ui(tools={"f": {"parameters": {}}}),
        ):
            async with session.post(url + path, json=body | {"model": "brief"}) as answer:
                assert answer.status == 200
                await answer.read()
            assert not {"tools", "tool_choice", "parallel_tool_calls"} & upstream.requests[-1].body.keys()


def test_the_embedded_model(tmp_path: Any) -> None:
    """`headrace up` writes down what its model cannot do."""
    known = models_file.write(tmp_path / "models.toml", models_file.for_embedded("local", 1, cannot=CANNOT))
    assert known.by_name["local"].cannot == CANNOT
    assert isinstance(known, models.Models)
