"""The model that `headrace up` brings answers like any other, and goes on where it broke off."""

import json
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from deploy.model import gemma
from deploy.up import embedded
from headrace import HeadraceClient
from headrace.events import Chunk, Ended
from headrace.sse import SSEParser
from shared import models
from tests.e2e.up import EMBEDDED, Up

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def up(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Up]:
    """With the embedded model, and ready."""
    up = Up(tmp_path_factory.mktemp("up"))
    up.start(*EMBEDDED)
    try:
        await up.ready()
        yield up
    finally:
        await up.end()


async def test_answers(up: Up, session: ClientSession) -> None:
    """A question is answered by a real model, with the tokens it counted; what it cannot do is refused."""
    [url] = await up.ready()
    async with HeadraceClient(url) as client:
        events = [event async for event in client.start("What is the capital of France?", max_tokens=12)]
    answer = "".join(event.text for event in events if isinstance(event, Chunk))
    assert answer.strip()
    assert not answer.startswith(" ")
    assert "User:" not in answer
    assert isinstance(events[-1], Ended)
    assert events[-1].usage["completion_tokens"] > 0
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    for asked, status in (
        ({"input": "Hi!", "tools": tools, "max_output_tokens": 2}, 200),
        ({"input": "Hi!", "tools": tools, "tool_choice": "required"}, 400),
        ({"input": [{"role": "user", "content": [picture]}]}, 400),
    ):
        async with session.post(f"{url}/v1/responses", json=asked) as answered:
            assert answered.status == status, await answered.text()


async def test_continues(up: Up, session: ClientSession) -> None:
    """Given an answer that breaks off, it goes on right there and repeats nothing."""
    model = models.load(up.folder / "data" / "models.toml").by_name[embedded.NAME]
    assert model.can_continue
    request = {
        "messages": [
            {"role": "user", "content": "What is the capital of France?"},
            {"role": "assistant", "content": "The capital of"},
        ],
        "continue_final_message": True,
        "add_generation_prompt": False,
        "temperature": 0,
        "max_tokens": 6,
        "stop": gemma.PARAMETERS["stop"],
        "stream": True,
    }
    async with session.post(f"{model.base_url}/chat/completions", json=request) as response:
        frames = SSEParser().feed(await response.read())
    deltas = [json.loads(frame.data)["choices"][0]["delta"] for frame in frames if frame.data != b"[DONE]"]
    assert "".join(delta.get("content") or "" for delta in deltas).startswith(" France is Paris")


async def test_a_cut_reply_goes_on(up: Up, session: ClientSession) -> None:
    """`continues` has it go on from its own text: one message, whose beginning is what was cut."""
    [url] = await up.ready()
    async with HeadraceClient(url) as client:
        cut = client.start("Tell me a story about a ship.", conversation_id="cut", max_tokens=4)
        begun = await cut.text()
        assert cut.generation_id is not None
        whole = await client.continue_reply(cut.generation_id, conversation_id="cut", max_tokens=8).text()
    assert whole.startswith(begun) and len(whole) > len(begun)
    async with session.get(f"{url}/api/conversations/cut") as answer:
        messages = (await answer.json())["messages"]
    assert [message["content"] for message in messages][1:] == [whole]
