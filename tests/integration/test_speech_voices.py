"""Speech: whoever speaks it, what is installed or a server; and where nobody does."""

from typing import Any

import pytest
from aiohttp import ClientSession, web
from openai import APIStatusError

from shared import keys
from shared.able import say_able
from shared.speech import Able
from tests.conftest import OpenClient
from tests.kit import sound
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.stack import MODELS

TEXT = "The river runs under the bridge. The miller opens the gate in the morning."


async def test_nobody_speaks(local: Local, session: ClientSession, open_client: OpenClient) -> None:
    """Without the extra: said clearly, to people, to OpenAI's clients and to the page."""
    url = await local.start()
    async with session.get(f"{url}/api/heartbeat") as response:
        assert (await response.json())["speech"] is None
    async with session.post(f"{url}/api/tts/stream", json={"text": "Hello."}) as response:
        assert response.status == 501
        assert "headrace[speech]" in (await response.json())["error"]["message"]
    with pytest.raises(APIStatusError) as refused:
        await open_client(url).audio.speech.create(model="tts-1", voice="alloy", input="Hello.")
    assert refused.value.status_code == 501


async def test_who_has_just_come(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for speech before its worker has said that it speaks need not wait for long."""
    await local.start(worker=False)
    speakers, can = local.state.speakers, Able(["wav"], ["auto"])
    monkeypatch.setattr("gateway.edge.speakers._FRESH_S", 3600)
    assert await speakers.able() is None
    await say_able(local.state.broker, can)

    async def is_known() -> bool:
        return await speakers.able() == can

    await eventually(is_known, "it is known")


async def test_a_server_that_speaks(local: Local, session: ClientSession) -> None:
    """
    `[speech]` in models.toml is asked, sentence by sentence. What is installed speaks where it fails, and
    where what it gives are no samples as they were asked for: they would be noise, or at another speed.
    """
    asked: list[dict[str, Any]] = []
    odd = {
        "One.": ("audio/mpeg", b"ID3\x04"),
        "Two.": ("audio/mpeg", b"\xff\xf3\x84\xc4"),
        "Three.": ("application/octet-stream", b"ID3\x04"),
        "Four.": ("audio/pcm;rate=16000", b""),
        "Five.": ("audio/L16; rate=24000; channels=2", b""),
        "Six.": ("audio/mp4", b"\0\0\0\x20ftyp"),
        "Seven.": ("application/octet-stream", b"\x1aE\xdf\xa3"),
        "Eight.": ("application/octet-stream", b'{"error": '),
    }

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        if "gate" in asked[-1]["input"]:
            return web.Response(status=500)
        if (kind := odd.pop(asked[-1]["input"], None)) is not None:
            return web.Response(body=kind[1] + b"\x30\x40" * 2400, headers={"Content-Type": kind[0]})
        return web.Response(body=b"\x10\x20" * 2400, content_type="audio/pcm")

    app = web.Application()
    app.add_routes([web.post("/v1/audio/speech", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await (site := web.TCPSite(runner, "127.0.0.1", 0)).start()
        speech = f'[speech]\nbase_url = "{site.name}/v1"\nvoice = "anna"\n'
        url = await local.start(MODELS + speech, speech="auto")
        await eventually(lambda: local.redis.exists(keys.SPEAKS), "somebody speaks", 20)
        data = await sound.spoken(session, url, text=TEXT, format="pcm")
        told = asked[:]
        for sentence in list(odd):
            wrong = await sound.spoken(session, url, text=sentence, format="pcm")
            assert b"\x30\x40" * 4 not in wrong, sentence
    finally:
        await runner.cleanup()
    assert not odd
    asked = told
    assert [said["input"] for said in asked] == [f"{sentence}." for sentence in TEXT[:-1].split(". ")]
    assert asked[0] | {"input": ""} == {
        "model": "tts-1",
        "input": "",
        "voice": "anna",
        "response_format": "pcm",
    }
    assert data.startswith(b"\x10\x20" * 2400)
    assert sound.seconds(data, "pcm") > 1.5
