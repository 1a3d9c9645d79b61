"""What a silent stream says in each dialect whose clients count signs of life."""

import json

from aiohttp import ClientSession

from tests.kit.anthropic_streams import MESSAGES, asked
from tests.kit.chat_client import script
from tests.kit.local import Local
from worker.backends.script import expected_text


async def test_messages_ping(local: Local, session: ClientSession) -> None:
    """Anthropic's clients get `ping` events, before the first word and within an answer; none has an id."""
    url = await local.start(heartbeat_s=0.1)
    body = asked(script(length=2, rate=4, first_token_delay_s=2.3), stream=True)
    async with session.post(url + MESSAGES, json=body) as response:
        raw = await response.read()
    blocks = [block for block in raw.decode().split("\n\n") if block]
    said = [[line for line in block.split("\n") if not line.startswith(":")] for block in blocks]
    kinds = [next(line for line in lines if line.startswith("event: "))[7:] for lines in said]
    assert kinds.count("ping") > 3
    first = kinds.index("content_block_start")
    assert "ping" in kinds[:first], "the line is alive before the first word"
    pings = [lines for lines, kind in zip(said, kinds, strict=True) if kind == "ping"]
    assert all(lines[-1] == 'data: {"type":"ping"}' for lines in pings)
    text = [
        json.loads(lines[-1][6:])["delta"]["text"]
        for lines, kind in zip(said, kinds, strict=True)
        if kind == "content_block_delta"
    ]
    assert "".join(text) == expected_text({"length": 2})
