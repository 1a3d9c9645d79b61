"""P3 with a real model: what one worker began, another has it finish, word for word after what was said."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.e2e.up import EMBEDDED, Up, kill
from tests.kit.chat_client import ChatClient
from tests.kit.eventually import eventually
from tests.kit.reader import text_of

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc"),
]

STORY = "Tell me a long story about a sailor, his ship, a storm and an island."
#: How much of it is there when its worker dies.
CHUNKS = 8


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[Up]:
    """With the embedded model and two workers."""
    up = Up(tmp_path)
    up.start(*EMBEDDED, "--workers", "2", lease_s=1)
    try:
        await up.ready()
        yield up
    finally:
        await up.end()


async def test_worker_killed_in_mid_story(up: Up, session: ClientSession) -> None:
    """SIGKILL of the worker that tells it: no `reset`, the other's attempt goes on from the logged prefix."""
    [url] = await up.ready()
    chat = ChatClient(session, url)
    async with await chat.send(STORY, conversation_id="story") as reader:
        await reader.until("chunk", CHUNKS)
        kill(await working(up, session))
        await reader.all(60)
    said = [frame for frame in reader.frames if frame.type == "chunk"]
    before = text_of([frame for frame in said if attempt(frame.id) == 1])
    after = text_of([frame for frame in said if attempt(frame.id) == 2])
    assert reader.end.type == "end"
    assert [frame.type for frame in reader.frames] == ["start", *["chunk"] * len(said), "end"], "no reset"
    assert {attempt(frame.id) for frame in said} == {1, 2}
    assert reader.text == before + after
    assert not after.strip().startswith(before.strip()[:20]), "it does not begin anew"
    status = await chat.status(reader.generation_id)
    assert (status["state"], status["text"]) == ("done", reader.text)
    messages = (await chat.conversation("story"))["messages"]
    assert [message["content"] for message in messages] == [STORY, reader.text]
    # What was logged already counts as answer, although the model server took it for prompt.
    assert status["usage"]["completion_tokens"] >= len(said)


async def working(up: Up, session: ClientSession) -> int:
    """The process that has the generation."""
    found: list[int] = []

    async def seen() -> bool:
        for pid in up.children("-m worker"):
            variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
            port = dict(v.split("=", 1) for v in variables if "=" in v)["HEADRACE_METRICS_PORT"]
            async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
                if 'generations_running{model="local"} 1.0' in await response.text():
                    found.append(pid)
        return bool(found)

    await eventually(seen, "a worker has it")
    return found[0]


def attempt(position: str | None) -> int:
    """The attempt that wrote what stands at *position*."""
    assert position is not None
    return int(position.partition("-")[0])
