"""P9: a slow reader costs bounded memory, gets everything all the same, and hurts nobody else."""

from aiohttp import ClientSession

from gateway.dialects.native.frames import NATIVE
from shared.position import ORIGIN
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from worker.backends.script import expected_text

LENGTH = 20_000
BUFFER_BYTES = 32_000


async def test_a_reader_that_does_not_read(local: Local, session: ClientSession) -> None:
    """Past its buffer's bound a reader is sent to the log; it still gets every frame, once and in order."""
    await local.start(subscriber_buffer_bytes=BUFFER_BYTES)
    chat = ChatClient(session, local.url)
    slow = await chat.send(script(length=LENGTH, batch=50))
    quick = await chat.resume(slow.generation_id)
    await quick.all()
    assert quick.text == expected_text({"length": LENGTH})
    await slow.all()
    assert slow.frames == quick.frames


async def test_what_waits_for_a_slow_reader_is_bounded(local: Local, session: ClientSession) -> None:
    """While nobody reads, a subscriber holds no more than its bound, and none of the log."""
    await local.start(subscriber_buffer_bytes=BUFFER_BYTES)
    chat = ChatClient(session, local.url)
    async with await chat.send(script(length=LENGTH, rate=0, batch=50)) as reader:
        generation = await local.state.generations.load(reader.generation_id)
        assert generation is not None
        async with local.state.relay.subscribe(generation, NATIVE, ORIGIN) as subscriber:
            await subscriber.read()
            most = 0

            async def ended() -> bool:
                nonlocal most
                most = max(most, subscriber._outbox.size)
                return await chat.ended(reader.generation_id)

            await eventually(ended, "the generation ends", 20)
            assert most <= BUFFER_BYTES
            assert not subscriber.live
            rest = b""
            while data := await subscriber.read():
                rest += data
            assert rest.endswith(b"\n\n")
            assert f"id: 1-{LENGTH + 1}\n".encode() in rest
