"""A reply that is told again after a failover, while it is spoken: see `worker/torn.py`."""

import pytest
from aiohttp import ClientSession

from shared import keys
from shared.events import Event, Reset, Start, Text
from tests.kit.chat_client import ChatClient
from tests.kit.eventually import eventually
from tests.kit.hand import Hand, done
from tests.kit.local import Local

FIRST, LOST, LAST = "The river runs. ", "The miller sleeps. ", "All is well."


@pytest.mark.parametrize("again", [LOST, "The miller wakes. "], ids=["same", "other"])
async def test_told_again(local: Local, session: ClientSession, again: str) -> None:
    """In the same words, none is spoken twice; in others, the speech begins anew, and says so."""
    url = await local.start(worker=False, lease_s=30, speech="auto")
    chat, hand = ChatClient(session, url), Hand(local.state.broker, "a")
    async with await chat.send() as reply:
        generation_id = reply.generation_id
    assert await hand.claim(generation_id) is not None
    said = Text(2, FIRST), Text(3, LOST), Text(4, "All")
    await hand.write(generation_id, Start(ts=1, model="scripted"), *said)
    await local.start_worker(speech="auto")
    await eventually(lambda: local.redis.exists(keys.SPEAKS), "somebody speaks", 20)
    asked = {"format": "pcm", "stream_format": "sse"}
    told: list[Event] = [Reset(ts=5, told_again=True), Text(6, FIRST), Text(7, again), Text(8, LAST)]
    spoken, resets = "", 0
    async with await chat.open("GET", f"/api/chat/{generation_id}/speech", params=asked) as speech:
        while frame := await speech.next():
            if frame.type == "audio" and frame.data.get("last"):
                text = FIRST + (again if resets else LOST) + LAST
                spoken += text[frame.data["start"] : frame.data["end"]]
                if told and frame.data["end"] >= len((FIRST + LOST).rstrip()):
                    await hand.write(generation_id, *told, done())
                    told = []
            elif frame.type == "reset":
                spoken, resets = "", resets + 1
    assert (spoken.split(), resets) == ((FIRST + again + LAST).split(), int(again != LOST))
