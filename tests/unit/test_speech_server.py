"""A speech server, and what speaks in its place."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from shared.failures import SpeechFailed, UpstreamError
from shared.models import SpeechServer
from shared.speech import Speech
from tests.kit.program import free_port
from worker.speech import server as speech_server
from worker.speech.orders import Engine, Here, Order, Sound
from worker.speech.sentences import Sentence
from worker.speech.server import Server
from worker.speech.voices import Voices

_HEADERS = {"Content-Type": "audio/pcm"}


class Upstream:
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.base_url = ""
        self.status, self.body, self.headers = 200, b"ab", dict(_HEADERS)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    async def answer(self, request: web.Request) -> web.Response:
        """What it was told."""
        self.asked.append(await request.json() if request.can_read_body else {})
        self.keys.append(request.headers.get("Authorization"))
        return web.Response(status=self.status, body=self.body, headers=self.headers)

    def described(self, **more: Any) -> SpeechServer:
        """As models.toml has it."""
        return SpeechServer(base_url=self.base_url, voice="anna", **more)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """One that listens."""
    upstream, app = Upstream(), web.Application()
    app.router.add_post("/v1/audio/speech", upstream.answer)
    app.router.add_route("*", "/elsewhere", upstream.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await (site := web.TCPSite(runner, "127.0.0.1", 0)).start()
    upstream.base_url = f"{site.name}/v1/"
    yield upstream
    await runner.cleanup()


async def test_what_it_is_asked(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its key, in the voice that was named if it is one of its own, as fast as was asked for."""
    monkeypatch.setenv("A_KEY", " k ")
    upstream.body = b"abc"
    server = Server(upstream.described(voices=["bob"], api_key_env="A_KEY"))
    assert await server.speak("One.", "bob", 0.5) == b"ab"
    await server.speak("Two.", "heart", 1)
    await server.close()
    assert [(each["voice"], each.get("speed")) for each in upstream.asked] == [("bob", 0.5), ("anna", None)]
    assert upstream.keys == ["Bearer k", "Bearer k"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (302, "upstream_failed"),
        (400, "upstream_rejected"),
        (403, "upstream_unauthorized"),
        (429, "upstream_rate_limited"),
        (503, "upstream_failed"),
        (200, "upstream_invalid"),
        (0, "upstream_refused"),
    ],
)
async def test_what_it_refuses(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    """Each is told apart; it leads nowhere else, and what has no end is none."""
    monkeypatch.setattr(speech_server, "_MOST_BYTES", 8)
    upstream.status, upstream.body = status, bytes(10)
    if status == 302:
        upstream.headers["Location"] = "/elsewhere"
    if not status:
        upstream.base_url = f"http://127.0.0.1:{free_port()}/v1"
    server = Server(upstream.described())
    with pytest.raises(UpstreamError) as failed:
        await server.speak("One.", "auto", 1)
    await server.close()
    assert (failed.value.code, len(upstream.asked)) == (code, int(status > 0))


class Orders:
    """A pool that makes nothing, and keeps what was ordered."""

    def __init__(self) -> None:
        self.engines: list[Engine] = []

    async def make(self, order: Order) -> Sound:
        """Nothing."""
        self.engines.append(order.engine)
        return Sound(b"", 0, [])


@pytest.mark.parametrize(
    ("installed", "voice", "language", "status", "spoken_by"),
    [
        (["hibari", "espeak"], "auto", "en", 200, "none"),
        (["hibari", "espeak"], "auto", "zh", 200, "espeak"),
        (["hibari", "espeak"], "heart", "en", 200, "hibari"),
        (["hibari", "espeak"], "espeak", "en", 200, "espeak"),
        (["hibari", "espeak"], "auto", "en", 500, "hibari"),
        (["espeak"], "heart", "en", 200, "espeak"),
        ([], "heart", "zh", 200, "none"),
        ([], "auto", "en", 500, None),
    ],
)
async def test_who_speaks(
    upstream: Upstream,
    installed: list[Engine],
    voice: str,
    language: str,
    status: int,
    spoken_by: Engine | None,
) -> None:
    """The server in its languages, what is installed where it fails or was asked for; else nobody."""
    orders: Any = Orders()
    upstream.status = status
    voices = Voices(Here(installed, ["pcm"]), orders, upstream.described(languages=["en"]))
    sentence, speech = Sentence(0, 1, "One.", language), Speech(voice=voice, format="pcm")
    if spoken_by is None:
        with pytest.raises(SpeechFailed):
            await voices.say(sentence, speech, [])
    else:
        await voices.say(sentence, speech, [])
        assert orders.engines == [spoken_by]
    if voices._server is not None:
        await voices._server.close()
