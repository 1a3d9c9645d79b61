"""A reply of 150,000 events holds nobody up, whoever reads all of it at once."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import ClientSession

from shared import events, keys
from shared.events import Start, Text
from tests.kit.chat_client import ChatClient
from tests.kit.local import Local

_EVENTS = 150_000
#: Of CPU, in one turn of the event loop: a busy machine adds none to it.
_MOST_S = 0.020


class Turns:
    """The longest turn of the event loop."""

    longest_s = 0.0

    async def watch(self) -> None:
        """For ever."""
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            self.longest_s = max(self.longest_s, time.thread_time() - began)


@asynccontextmanager
async def turns() -> AsyncIterator[Turns]:
    """Watched for as long as the block lasts."""
    watched = Turns()
    task = asyncio.create_task(watched.watch())
    try:
        yield watched
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def write_log(local: Local, generation_id: str) -> None:
    """As a worker that has been lost since."""
    start, word = events.encode(Start(ts=1, model="scripted")), events.encode(Text(1, "word "))
    fill = """
        redis.call('XADD', KEYS[1], '1-0', 'e', ARGV[1])
        for seq = 1, ARGV[3] - 1 do redis.call('XADD', KEYS[1], '1-' .. seq, 'e', ARGV[2]) end
        redis.call('PEXPIRE', KEYS[1], 60000)
    """
    local.redis.eval(fill, 1, keys.LOG + generation_id, start, word, _EVENTS)
    record = {"attempt": 1, "lease": "1:gone", "state": "running"}
    local.redis.hset(keys.RECORD + generation_id, mapping=record)


async def test_reading_all_of_it(local: Local, session: ClientSession) -> None:
    """Asking how it stands, as native and as a response, and stopping it, with the text that it has."""
    await local.start(worker=False)
    chat = ChatClient(session, local.url)
    body = {"input": "Hello", "background": True, "model": "scripted"}
    response = (await chat.call("POST", "/v1/responses", json=body)).body
    generation_id = response["id"].replace("resp_", "gen_")
    write_log(local, generation_id)
    for path in (f"/api/chat/{generation_id}", f"/v1/responses/{response['id']}"):
        async with turns() as watched, session.get(local.url + path) as answer:
            assert len(await answer.read()) > 5 * (_EVENTS - 1)
        assert watched.longest_s < _MOST_S, path
    async with turns() as watched:
        await local.state.generations.cancel(generation_id, "", "user")
    assert watched.longest_s < _MOST_S
    assert local.redis.hstrlen(keys.RECORD + generation_id, "text") == 5 * (_EVENTS - 1)
