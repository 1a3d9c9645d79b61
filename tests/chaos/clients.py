"""What a storm does as a client: it vanishes, hangs up in mid-handler, and claims what it has not read."""

import asyncio
import random
import socket

import msgspec

from shared import keys
from tests.chaos.stage import Stage
from tests.chaos.vanishing import ask, vanish
from tests.kit.chat_client import script

#: Conversations of clients that never learn what became of their requests.
HUNG_UP = "hung-up-"

_PAUSES_S = (0.0, 0.001, 0.003, 0.01, 0.03)


async def vanished_reader(stage: Stage, dice: random.Random) -> bool:
    """A reader of a running generation is gone without a word."""
    generation_id = await _running(stage, dice)
    if generation_id is None:
        return False
    connection = await _asked(stage, dice, f"/api/chat/{generation_id}/stream")
    await asyncio.sleep(dice.uniform(0, 0.3))
    vanish(connection)
    stage.gone.append(connection)
    return True


async def hung_up(stage: Stage, dice: random.Random) -> bool:
    """A client sends what changes several generations, and leaves before the answer."""
    conversation = f"{HUNG_UP}{dice.randrange(10**9)}"
    for i in range(dice.randrange(1, 4)):
        body = {
            "message": script(length=dice.randrange(10, 60), rate=25),
            "conversation_id": conversation,
            "on_busy": "queue" if i else "interrupt",
        }
        await _left(stage, dice, "POST", "/api/chat/stream", msgspec.json.encode(body))
    if dice.random() < 0.5:
        await _left(stage, dice, "DELETE", f"/api/conversations/{conversation}")
    else:
        body = {"message": "again", "conversation_id": conversation, "on_busy": "interrupt"}
        await _left(stage, dice, "POST", "/api/chat/stream", msgspec.json.encode(body))
    return True


async def ahead_of_the_log(stage: Stage, dice: random.Random) -> bool:
    """A reader says that it has read what is in no log: it is refused, and nobody else is moved."""
    generation_id = await _running(stage, dice)
    if generation_id is None:
        return False
    position = dice.choice(["999-0", "1-999999", "50-7"])
    connection = await _asked(stage, dice, f"/api/chat/{generation_id}/stream?after={position}")
    try:
        connection.settimeout(15)
        answer = await asyncio.to_thread(connection.recv, 4096)
        status = answer.partition(b" ")[2][:3]
        # It may have ended meanwhile (204), expired, or be out of reach; it must not be streamed to.
        if status == b"200":
            stage.shame.append(f"{position} of {generation_id} was taken for read: {answer[-300:]!r}")
    finally:
        connection.close()
    return True


async def _running(stage: Stage, dice: random.Random) -> str | None:
    # A broker that is paused would hold up this program, which is to let it go on.
    async with stage.broker_is_free:
        redis = stage.stack.redis
        known: list[str] = [key.decode() for key in redis.scan_iter(match=keys.LOG + "*", count=1000)]
        ids = [key.removeprefix(keys.LOG) for key in sorted(known)]
        dice.shuffle(ids)
        for generation_id in ids[:20]:
            if redis.hget(keys.RECORD + generation_id, "state") == b"running":
                return generation_id
    return None


async def _asked(stage: Stage, dice: random.Random, path: str) -> socket.socket:
    return await asyncio.to_thread(ask, dice.choice(stage.stack.gateways).port, path)


async def _left(stage: Stage, dice: random.Random, method: str, path: str, body: bytes = b"") -> None:
    port = dice.choice(stage.stack.gateways).port
    connection = await asyncio.to_thread(ask, port, path, "", body, method)
    await asyncio.sleep(dice.choice(_PAUSES_S))
    connection.close()
