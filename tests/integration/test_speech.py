"""Speech: what is written is heard, and can be dropped, resumed and stopped like text."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientSession
from openai import APIStatusError, AsyncOpenAI

from shared import keys
from tests.conftest import OpenClient
from tests.kit import invariants, sound
from tests.kit.broker import EmbeddedBroker
from tests.kit.byte_ranges import check_ranges
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.stack import Stack

_DATABASE = 9
TEXT = "The river runs under the bridge. The miller opens the gate in the morning."
CHINESE = "今天天气很好。我们去公园吧！"


@pytest.fixture(scope="module")
def system(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A gateway and two workers that speak."""
    options: dict[str, Any] = {"speech": "auto", "lease_s": 1, "abandon_grace_s": 0.3}
    stack = Stack(broker, tmp_path_factory.mktemp("speech"), database=_DATABASE, **options)
    try:
        stack.start(gateways=1, workers=2)
        yield stack
    finally:
        stack.stop()


@pytest.fixture
async def url(system: Stack, session: ClientSession) -> AsyncIterator[str]:
    """The gateway's address, once somebody speaks; afterwards all has come to its end."""
    await eventually(lambda: system.redis.exists(keys.SPEAKS), "somebody speaks", 20)
    able = system.redis.get(keys.SPEAKS)
    yield system.gateways[0].url
    await invariants.settled(system.redis, 10)
    # Nobody says so again for a while.
    system.redis.set(keys.SPEAKS, able, px=120_000)


async def test_the_words_that_were_written(url: str, session: ClientSession) -> None:
    """A recogniser hears them, and a gap is as long as a breath."""
    data = await sound.spoken(session, url, text=TEXT)
    assert 3 < sound.seconds(data) < 9
    heard = sound.words(data)
    written = TEXT.lower().replace(".", "").split()
    assert len({*heard} & {*written}) >= 0.7 * len({*written}), heard


@pytest.mark.parametrize("kind", ["wav", "pcm", "mp3", "opus"])
async def test_formats(url: str, session: ClientSession, kind: str) -> None:
    """Each is one file of that kind from its first sentence to its last, of both languages."""
    data = await sound.spoken(session, url, text=f"{TEXT} {CHINESE}", format=kind)
    assert 6 < sound.seconds(data, kind) < 16
    assert sound.loudness(data, kind) > 0.01


async def test_openai(url: str, open_client: OpenClient) -> None:
    """OpenAI's client, as published."""
    client: AsyncOpenAI = open_client(url)
    asked: dict[str, Any] = {"model": "tts-1", "voice": "alloy", "input": TEXT}
    whole = await client.audio.speech.create(**asked)
    assert whole.response.headers["Content-Type"] == "audio/mpeg"
    assert sound.loudness(whole.content, "mp3") > 0.01
    streaming = client.audio.speech.with_streaming_response
    async with streaming.create(**asked, response_format="pcm", stream_format="sse") as response:
        events = [said for _, said in sound.frames(await response.read())]
    assert [event["type"] for event in events[-2:]] == ["speech.audio.delta", "speech.audio.done"]
    pcm = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert sound.seconds(pcm, "pcm") == pytest.approx(sound.seconds(whole.content, "mp3"), abs=0.4)
    assert events[-1]["usage"]["input_tokens"] > 0
    for wrong, param in [
        ({"voice": "nobody"}, "voice"),
        ({"response_format": "flac"}, "response_format"),
        ({"instructions": "Whisper."}, "instructions"),
    ]:
        with pytest.raises(APIStatusError) as refused:
            await client.audio.speech.create(**{**asked, **wrong})
        assert (refused.value.status_code, refused.value.body["param"]) == (400, param)  # type: ignore[index]


async def test_dropped_at_every_event(url: str, session: ClientSession) -> None:
    """After each event, and from any byte on, there is exactly the rest."""
    ask = {"text": f"{TEXT} {CHINESE}", "format": "pcm", "stream_format": "sse"}
    async with session.post(f"{url}/api/tts/stream", json=ask) as response:
        where, events = url + response.headers["Location"], sound.frames(await response.read())
    assert [said["type"] for _, said in events][:: len(events) - 1] == ["start", "end"]
    async with session.get(where, headers={"Last-Event-ID": events[-1][0]}) as response:
        assert response.status == 204
    for i, (at, _) in enumerate(events[:-1], 1):
        async with session.get(where, headers={"Last-Event-ID": at}) as response:
            assert sound.frames(await response.read()) == events[i:]
    async with session.get(where, params={"after": events[0][0]}) as response:
        assert sound.frames(await response.read()) == events[1:]
    pieces = [base64.b64decode(said["audio"]) for _, said in events if said["type"] == "audio"]
    whole, begins = b"".join(pieces), [said["at"] for _, said in events if said["type"] == "audio"]
    for first in {0, 1, len(whole) - 1, *begins, *(at + 7 for at in begins)}:
        async with session.get(where, headers={"Range": f"bytes={first}-"}) as response:
            assert response.status == 206
            assert await response.read() == whole[first:], first
    async with session.get(where, headers={"Range": f"bytes=5-{begins[1] + 4}"}) as response:
        assert await response.read() == whole[5 : begins[1] + 5]
    async with session.get(where, headers={"Range": f"bytes={len(whole) + 1}-"}) as response:
        assert response.status == 416
    texts = [ask["text"][said["start"] : said["end"]] for _, said in events if said.get("last")]
    assert "".join(texts) == ask["text"]


def events_of(client: ChatClient, generation_id: str) -> Any:
    """What `GET /api/chat/{id}/speech` says, as events."""
    asked = {"format": "pcm", "stream_format": "sse"}
    return client.open("GET", f"/api/chat/{generation_id}/speech", params=asked)


async def test_a_reply_while_it_is_written(url: str, session: ClientSession) -> None:
    """Its first sentence is heard before its second is written; twice asked is once spoken."""
    client = ChatClient(session, url)
    async with await client.send(script(rate=8, text=f"{TEXT} " * 2)) as reply:
        async with await events_of(client, reply.generation_id) as speech:
            await speech.until("audio")
            written = (await client.status(reply.generation_id))["text"]
        assert written.startswith("The river runs under the bridge. The")
        assert len(written) < len(TEXT), "it is heard while the next sentence is written"
        await reply.all()
    where = f"{url}/api/chat/{reply.generation_id}/speech?format=pcm"
    async with session.get(where) as whole, session.get(where) as again:
        assert whole.headers["X-Generation-Id"] == again.headers["X-Generation-Id"]
        data = await whole.read()
        assert data == await again.read()
    assert sound.seconds(data, "pcm") > 6


@pytest.mark.parametrize("written", [False, True], ids=["under way", "written"])
async def test_a_reply_that_breaks_off(url: str, session: ClientSession, written: bool) -> None:
    """What it says is spoken; then its error is the speech's, and no file of it ends as if it were whole."""
    client = ChatClient(session, url)
    said = script(rate=30, text=f"{TEXT} {TEXT}", fail_after=14, fail_code="upstream_rejected")
    async with await client.send(said) as reply:
        if written:
            await reply.all()
        async with await events_of(client, reply.generation_id) as speech:
            *_, last, error = await speech.all()
        assert (last.type, error.type, error.data["code"]) == ("audio", "error", "upstream_rejected")
        where = f"{url}/api/chat/{reply.generation_id}/speech?format=pcm"
        with pytest.raises(ClientPayloadError):
            async with session.get(where) as whole:
                await whole.read()
        if not written:
            await reply.all()


async def test_stop(url: str, session: ClientSession) -> None:
    """The Stop of a reply silences it, while it is written and after."""
    client = ChatClient(session, url)
    async with await client.send(script(rate=30, text=f"{TEXT} " * 40)) as reply:
        async with await events_of(client, reply.generation_id) as speech:
            await speech.until("audio")
            stopped = time.monotonic()
            await client.cancel(reply.generation_id)
            assert (await speech.until("end")).data["finish_reason"] == "cancelled"
            assert time.monotonic() - stopped < 1
        await reply.all()
    async with await client.ask(script(rate=0, text=f"{TEXT} " * 60)) as reply:
        # It is written, and being spoken.
        async with await events_of(client, reply.generation_id) as speech:
            await speech.until("audio")
            await client.cancel(reply.generation_id)
            assert (await speech.until("end")).data["finish_reason"] == "cancelled"
        # Who asks once more hears it anew, not what is left of the stopped one.
        async with await events_of(client, reply.generation_id) as again:
            assert again.generation_id != speech.generation_id
            await again.until("audio")
            await client.cancel(again.generation_id)


async def test_a_reply_that_was_stopped(url: str, session: ClientSession) -> None:
    """Whoever has it read aloud afterwards hears what there is of it."""
    client = ChatClient(session, url)
    async with await client.send(script(rate=30, text=f"{TEXT} {TEXT}", stall_after=14)) as reply:
        await reply.until("chunk", 12)
        await client.cancel(reply.generation_id)
        await reply.all()
    async with await events_of(client, reply.generation_id) as speech:
        *sounds, end = await speech.all()
    assert (end.type, end.data["finish_reason"]) == ("end", "stop")
    assert next(each.data["start"] for each in sounds if each.type == "audio") == 0


@pytest.mark.parametrize("kind", ["wav", "mp3"])
@pytest.mark.parametrize("text", ["...", "🙂🙂", "* * *", "\u200b\u2060!?"])
async def test_nothing_to_say(url: str, session: ClientSession, text: str, kind: str) -> None:
    """No file without a sound is taken for one: of a text, of a reply, and as events."""
    async with session.post(f"{url}/api/tts/stream", json={"text": text, "format": kind}) as response:
        assert response.status == 422
        assert (await response.json())["error"]["code"] == "nothing_to_say"
    client = ChatClient(session, url)
    reply = await client.ask(script(rate=0, text=text, length=10))
    async with await events_of(client, reply.generation_id) as speech:
        *_, error = await speech.all()
    assert (error.type, error.data["code"]) == ("error", "nothing_to_say")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": "\0\0"}, "text"),
        ({"text": "x" * 40_000}, "text"),
        ({"text": "x", "voice": "../../heart"}, "voice"),
        ({"text": "x", "voice": ""}, "voice"),
        ({"text": "x", "voice": "en+f3"}, "voice"),
        ({"text": "x", "format": "flac"}, "format"),
        ({"text": "x", "speed": 9}, "speed"),
        ({"text": "x", "generation_id": "gen_x"}, "text"),
        ({"generation_id": "../x"}, "generation_id"),
        ({}, "text"),
    ],
)
async def test_what_is_no_speech(url: str, session: ClientSession, asked: Any, field: str) -> None:
    """Refused with the field, and nothing begins."""
    async with session.post(f"{url}/api/tts/stream", json=asked) as response:
        assert response.status == 400, await response.text()
        assert (await response.json())["error"]["field"] == field


async def test_marks_of_voices_are_words(url: str, session: ClientSession) -> None:
    """What eSpeak NG, or SSML, would take for an order is said, or passed over like any other markup."""
    for text in (
        "[[h@'loU w'3:ld]] one",
        "\x01800S one",
        '<prosody rate="x-slow">one</prosody>',
        "[[s.]] one",
    ):
        data = await sound.spoken(session, url, text=text, format="pcm", voice="espeak")
        assert 0.2 < sound.seconds(data, "pcm") < 6, text
    plain = await sound.spoken(session, url, text="one", format="pcm", voice="espeak")
    marked = await sound.spoken(session, url, text="<speak>\x01one</speak>", format="pcm", voice="espeak")
    assert marked == plain


async def test_ranges(url: str, session: ClientSession) -> None:
    """Of an ended speech as of any file, by GET alone; 416 says how long it is. It is not spoken itself."""
    ask = {"text": TEXT, "format": "pcm"}
    async with session.post(f"{url}/api/tts/stream", json=ask, headers={"Range": "bytes=4-"}) as response:
        where, whole = url + response.headers["Location"], await response.read()
        assert (response.status, response.headers.get("Content-Range")) == (200, None), "POST has no ranges"
        spoken = response.headers["X-Generation-Id"]
    await check_ranges(session, where, whole)
    async with session.post(f"{url}/api/tts/stream", json={"generation_id": spoken}) as response:
        assert (response.status, (await response.json())["error"]["field"]) == (400, "generation_id")
    for last in ("1-999", "9-9", "x"):
        async with session.get(where, headers={"Last-Event-ID": last}) as response:
            assert response.status == 400, last


async def test_openais_call_that_nobody_hears(url: str, session: ClientSession) -> None:
    """Its client cannot resume it, so it is stopped."""
    asked = {"model": "tts-1", "voice": "alloy", "input": f"{TEXT} " * 15, "response_format": "pcm"}
    async with session.post(f"{url}/v1/audio/speech", json=asked) as response:
        await response.content.readany()
        response.close()
    client, generation_id = ChatClient(session, url), response.headers["X-Generation-Id"]
    await eventually(lambda: client.ended(generation_id), "it is stopped", 15)
    assert (await client.status(generation_id))["state"] == "cancelled"


async def test_many_at_once(url: str, session: ClientSession) -> None:
    """Fifty speeches of one asker: each is whole; one that is stopped is cut, and nobody else's."""
    texts = [f"Number {number}." for number in range(50)]
    sounds = await asyncio.gather(
        *(sound.spoken(session, url, text=text, format="pcm", voice="espeak") for text in texts)
    )
    assert all(sound.seconds(data, "pcm") > 0.4 for data in sounds)
    async with session.post(f"{url}/api/tts/stream", json={"text": f"{TEXT} " * 100}) as response:
        await response.content.readany()
        stopped = await ChatClient(session, url).cancel(response.headers["X-Generation-Id"])
        assert stopped.status == 200
        with pytest.raises(ClientPayloadError):
            await response.read()


async def test_a_worker_dies(system: Stack, url: str, session: ClientSession) -> None:
    """Another goes on after the last sentence; the sound is the same as without."""
    text = f"{TEXT} {CHINESE} " * 3
    expected = await sound.spoken(session, url, text=text, format="opus")
    async with session.post(f"{url}/api/tts/stream", json={"text": text, "format": "opus"}) as response:
        record = f"hr:gen:{response.headers['X-Generation-Id']}"
        data = await response.content.readany()
        for worker in system.workers:
            worker.kill()
        assert system.redis.hget(record, "state") == b"running"
        await system.add_worker()
        data += await response.read()
    assert system.redis.hget(record, "attempt") == b"2"
    assert data == expected
