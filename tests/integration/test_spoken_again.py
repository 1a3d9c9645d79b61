"""A reply that is told again after a failover, while it is spoken: see `worker/torn.py`."""

import pytest
from aiohttp import ClientSession

from shared import keys
from shared.events import Reset, Start, Text
from tests.kit.chat_client import ChatClient
from tests.kit.eventually import eventually
from tests.kit.hand import Hand, die, done, fail_over
from tests.kit.local import Local

FIRST, LOST = "The river runs. ", "The miller sleeps. "
LAST = "All is well in the village today, and nobody wants to leave it again. So be it."


@pytest.mark.parametrize(
    "rest", [LOST + LAST, "The miller wakes. " + LAST, ""], ids=["same", "other", "shorter"]
)
async def test_told_again(local: Local, session: ClientSession, rest: str) -> None:
    """
    In the same words, none is spoken twice; in others, or fewer, the speech begins anew, and says so. Another
    worker that goes on with it speaks the rest.
    """
    goes_on_otherwise = bool(rest) and not rest.startswith(LOST)
    url = await local.start(worker=False, lease_s=30, speech="auto")
    chat, hand = ChatClient(session, url), Hand(local.state.broker, "a")
    async with await chat.send() as reply:
        generation_id = reply.generation_id
    assert await hand.claim(generation_id) is not None
    said = Text(2, FIRST), Text(3, LOST), Text(4, "All")
    await hand.write(generation_id, Start(ts=1, model="scripted"), *said)
    await _start_worker(local)
    asked = {"format": "pcm", "stream_format": "sse"}
    text, spoken, resets = FIRST + LOST, "", 0
    async with await chat.open("GET", f"/api/chat/{generation_id}/speech", params=asked) as speech:
        while frame := await speech.next():
            if frame.type == "audio" and frame.data.get("last"):
                spoken += text[frame.data["start"] : frame.data["end"]]
                if text == FIRST + LOST and spoken.split() == text.split():
                    text = FIRST + rest
                    hand = await _fail_over(local, generation_id)
                    await hand.write(
                        generation_id, Reset(ts=5, told_again=True), Text(6, FIRST), Text(7, rest)
                    )
                    if not goes_on_otherwise:
                        await hand.write(generation_id, done())
                elif goes_on_otherwise and resets and spoken.split() == FIRST.split():
                    await local.stop_worker()
                    await _start_worker(local)
                    await hand.write(generation_id, done())
            elif frame.type == "reset":
                spoken, resets = "", resets + 1
    assert (spoken.split(), resets) == (text.split(), int(not rest.startswith(LOST)))


async def _start_worker(local: Local) -> None:
    """One that speaks, and looks for no lapsed lease meanwhile."""
    await local.start_worker(speech="auto", poll_s=60)
    await eventually(lambda: local.redis.exists(keys.SPEAKS), "somebody speaks", 20)


async def _fail_over(local: Local, generation_id: str) -> Hand:
    """The last two events are lost, and another worker has it."""
    fail_over(local.redis, generation_id)
    die(local.redis, generation_id)
    hand = Hand(local.state.broker, "b")
    assert await hand.claim(generation_id) is not None
    return hand
