"""P1, P2: a reader that comes back, anywhere and at any moment, gets every frame once and in order."""

import asyncio
from collections import Counter

import pytest
from aiohttp import ClientSession, web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.edge.auth import Askers
from shared.asker import Asker
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.reader import Frame, text_of
from tests.kit.stack import Stack
from worker.backends.script import expected_text

LENGTH = 12


@pytest.mark.parametrize("gateway", [0, 1])
async def test_every_position_of_a_finished_stream(
    stack: Stack, chat: ChatClient, elsewhere: ChatClient, gateway: int
) -> None:
    """`Last-Event-ID: k` of a finished stream yields exactly the frames after k, from any gateway."""
    whole = await chat.ask(script(length=LENGTH))
    client = (chat, elsewhere)[gateway]
    for k, frame in enumerate(whole.frames[:-1]):
        async with await client.resume(whole.generation_id, frame.id) as reader:
            assert await reader.all() == whole.frames[k + 1 :]


async def test_every_position_of_a_running_stream(chat: ChatClient, elsewhere: ChatClient) -> None:
    """`Last-Event-ID: k` of a running stream yields exactly what there is after k, then what follows."""
    async with await chat.send(script(length=LENGTH + 1, stall_after=LENGTH)) as first:
        await first.until("chunk", LENGTH)
        so_far = list(first.frames)
        readers = [
            await (chat, elsewhere)[k % 2].resume(first.generation_id, frame.id)
            for k, frame in enumerate(so_far)
        ]
        for k, reader in enumerate(readers):
            for _ in so_far[k + 1 :]:
                await reader.next()
        await chat.cancel(first.generation_id)
        whole = await first.all()
        for k, reader in enumerate(readers):
            assert await reader.all() == whole[k + 1 :]


async def test_no_position_means_the_whole_stream(chat: ChatClient) -> None:
    """Without `Last-Event-ID` a reader gets the stream from its beginning."""
    whole = await chat.ask(script(length=LENGTH))
    async with await chat.resume(whole.generation_id) as reader:
        assert await reader.all() == whole.frames


async def test_after_in_the_query(chat: ChatClient) -> None:
    """`?after=` says the same as `Last-Event-ID`, for clients that cannot set headers."""
    whole = await chat.ask(script(length=LENGTH))
    async with await chat.open("GET", f"/api/chat/{whole.generation_id}/stream?after=1-4") as reader:
        assert await reader.all() == whole.frames[5:]


async def test_after_the_end_there_is_nothing(chat: ChatClient) -> None:
    """Resuming after the terminal event is 204, which tells an `EventSource` to stop connecting."""
    whole = await chat.ask()
    async with await chat.resume(whole.generation_id, whole.last_id) as reader:
        assert reader.status == 204
        assert not await reader.all()


async def test_a_cut_anywhere_in_a_live_stream_loses_nothing(chat: ChatClient, elsewhere: ChatClient) -> None:
    """Cut after every event index while the stream runs: the joined text equals the uncut one."""

    async def cut_after(count: int) -> list[Frame]:
        async with await chat.send(script(length=LENGTH, rate=60)) as first:
            for _ in range(count):
                await first.next()
            first.cut()
        async with await elsewhere.resume(first.generation_id, first.last_id) as second:
            return first.frames + await second.all()

    for frames in await asyncio.gather(*(cut_after(count) for count in range(LENGTH + 2))):
        assert [frame.id for frame in frames] == [f"1-{i}" for i in range(LENGTH + 2)]
        assert text_of(frames) == expected_text({"length": LENGTH})


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
@given(cuts=st.lists(st.integers(0, LENGTH), max_size=8), rate=st.sampled_from([0, 300, 1000]))
async def test_any_number_of_cuts_loses_nothing(
    chat: ChatClient, elsewhere: ChatClient, cuts: list[int], rate: int
) -> None:
    """However often a reader is cut and goes on at either gateway, it gets every frame once, in order."""
    reader = await chat.send(script(length=LENGTH, rate=rate))
    generation_id, frames = reader.generation_id, list[Frame]()
    for turn, cut in enumerate(cuts):
        async with reader:
            for _ in range(cut):
                await reader.next()
        frames += reader.frames
        reader = await (elsewhere, chat)[turn % 2].resume(generation_id, frames[-1].id if frames else None)
    async with reader:
        frames += await reader.all()
    assert [frame.id for frame in frames] == [f"1-{i}" for i in range(LENGTH + 2)]
    assert text_of(frames) == expected_text({"length": LENGTH})


async def test_attaching_while_events_are_written(chat: ChatClient, elsewhere: ChatClient) -> None:
    """Readers that attach in mid-stream get each event once: no gap and no repeat between replay and live."""
    length = 300

    async def attached(client: ChatClient, generation_id: str, after: str | None) -> list[str]:
        async with await client.resume(generation_id, after) as reader:
            await reader.all()
            return reader.ids

    async with await chat.send(script(length=length, rate=400)) as first:
        attachers: list[tuple[str | None, asyncio.Task[list[str]]]] = []
        while frame := await first.next():
            if len(first.frames) % 4 == 0:
                client = (chat, elsewhere)[len(attachers) % 2]
                after = frame.id if len(attachers) % 3 else None
                attachers.append((after, asyncio.create_task(attached(client, first.generation_id, after))))
        everything = [f"1-{i}" for i in range(length + 2)]
        assert first.ids == everything
    assert len(attachers) > 40
    for after, attacher in attachers:
        assert await attacher == everything[everything.index(after) + 1 if after else 0 :]


async def test_two_readers_at_once(chat: ChatClient, elsewhere: ChatClient) -> None:
    """A generation may have any number of readers; one that leaves does not disturb the others."""
    async with await chat.send(script(length=30, rate=100)) as first:
        await first.until("chunk")
        second = await chat.resume(first.generation_id)
        third = await elsewhere.resume(first.generation_id)
        await second.until("chunk")
        second.cut()
        await first.all()
        await third.all()
    assert first.frames == third.frames
    assert first.text == expected_text({"length": 30})


async def test_nobody_need_read(chat: ChatClient) -> None:
    """A generation whose reader leaves at once still comes to its end (`on_disconnect: continue`)."""
    async with await chat.send(script(length=30, rate=200)) as first:
        first.cut()
    async with await chat.resume(first.generation_id) as second:
        await second.all()
    assert second.text == expected_text({"length": 30})


async def test_a_crowd_comes_back_one_by_one(
    local: Local, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ask in one moment: nothing is done for two of them in one round of the event loop."""
    chat = ChatClient(session, await local.start())
    loop, rounds = asyncio.get_running_loop(), Counter[int]()
    known = Askers.of

    async def counted(self: Askers, request: web.Request) -> Asker:
        rounds[round_] += request.method == "GET"
        return await known(self, request)

    monkeypatch.setattr(Askers, "of", counted)
    round_, looking = 0, True

    def turn() -> None:
        nonlocal round_
        round_ += 1
        if looking:
            loop.call_soon(turn)

    turn()
    async with await chat.send(script(length=3, stall_after=2)) as first:
        await first.until("chunk", 2)
        path = f"/api/chat/{first.generation_id}/stream"
        address = "127.0.0.1", int(local.url.rpartition(":")[2])
        readers = [await asyncio.open_connection(*address) for _ in range(50)]
        for _, writer in readers:
            writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
        for reader, writer in readers:
            assert b" 200 " in await reader.readline()
            writer.close()
        await chat.cancel(first.generation_id)
    looking = False
    assert sum(rounds.values()) == len(readers)
    assert max(rounds.values()) == 1
