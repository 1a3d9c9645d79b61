"""P14 with a real model: what one upstream began, the next finishes, word for word after what was said."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import ClientSession

from deploy.model import gemma
from deploy.up import embedded
from shared import models
from tests.e2e.up import EMBEDDED, Up
from tests.kit.chat_client import ChatClient
from tests.kit.local import Local
from tests.kit.reader import text_of

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc"),
]

STORY = "Tell me a long story about a sailor, his ship, a storm and an island."
#: Events of the first upstream's answer that come through.
EVENTS = 12
MODELS = """
[models.story]
can_continue = true
max_tokens = 60
parameters = {{ temperature = 0, stop = {stop} }}
[[models.story.upstreams]]
base_url = "http://127.0.0.1:{cut}/v1"
[[models.story.upstreams]]
base_url = "{whole}"
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    """The embedded model's server."""
    up = Up(tmp_path)
    up.start(*EMBEDDED)
    try:
        await up.ready()
        yield models.load(up.folder / "data" / "models.toml").by_name[embedded.NAME].base_url
    finally:
        await up.end()


async def test_in_mid_story(local: Local, session: ClientSession, server: str) -> None:
    """The connection to the first breaks in mid-story: one text, no `reset`, and no words twice."""
    port = int(server.rpartition(":")[2].partition("/")[0])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            back.write(head + await reader.readexactly(length))
            for _ in range(EVENTS):
                writer.write(await there.readuntil(b"\n\n"))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            for each in (back, writer):
                with suppress(ConnectionError):
                    each.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as cut:
        cut_port = cut.sockets[0].getsockname()[1]
        stop = gemma.PARAMETERS["stop"]
        await local.start(MODELS.format(cut=cut_port, whole=server, stop=stop))
        chat = ChatClient(session, local.url)
        async with await chat.send(STORY) as reader:
            await reader.all(60)
    facts = reader.end.data["metadata"]
    assert reader.end.type == "end"
    assert facts["upstreams"] == ["1", "2"]
    said = [frame for frame in reader.frames if frame.type == "chunk"]
    types = [frame.type for frame in reader.frames]
    assert {*types} == {"start", "hand_over", "chunk", "end"}, "no reset"
    assert types.count("hand_over") == 2
    handed_over = len(types) - 1 - types[::-1].index("hand_over")
    before, after = text_of(reader.frames[:handed_over]), text_of(reader.frames[handed_over:])
    assert before.split()
    assert len(after.split()) > 10
    assert not after.strip().startswith(before.strip()[:20]), "it does not begin anew"
    assert before.split()[-3:] != after.split()[:3], "nor does it repeat the last words"
    assert facts["usage"]["completion_tokens"] >= len(said)
    assert facts["billed"]["prompt_tokens"] > facts["usage"]["prompt_tokens"]
