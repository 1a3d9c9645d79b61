"""A speech server that speaks OpenAI's wire: `POST <base_url>/audio/speech`, answered with samples."""

import os
import re

import aiohttp
import msgspec
from aiohttp.helpers import parse_mimetype

from shared.failures import (
    UpstreamBroke,
    UpstreamFailed,
    UpstreamInvalid,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamRejected,
    UpstreamUnauthorized,
)
from shared.models import SpeechServer
from shared.speech import SAMPLE_RATE

#: Of one sentence: two minutes of sound.
_MOST_BYTES = 6 * 1024 * 1024
#: How what is no samples begins: WAV, Ogg, FLAC, MP3 and AAC (with tags, or a frame), WebM, MP4, JSON, HTML.
_NO_SAMPLES = re.compile(
    rb"RIFF|OggS|fLaC|ID3[\x02-\x04]|\xff(?:[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xef]|[\xf0\xf1\xf8\xf9])"
    rb"|\x1aE\xdf\xa3|....ftyp|\{\s*\"|<[!?A-Za-z]",
    re.DOTALL,
)


class Server:
    """One server; its connections are made when it is first asked."""

    def __init__(self, server: SpeechServer) -> None:
        self._server = server
        self._session: aiohttp.ClientSession | None = None

    async def speak(self, words: str, voice: str, speed: float) -> bytes:
        """*words* as samples. Raises `UpstreamError`."""
        server, session = self._server, self._open()
        said = voice if voice in server.voices else server.voice
        body = {"model": server.upstream_model, "input": words, "voice": said, "response_format": "pcm"}
        if speed != 1:
            body["speed"] = speed  # type: ignore[assignment]
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(server.api_key_env or "", "").strip():
            headers["Authorization"] = f"Bearer {key}"
        url = f"{server.base_url.rstrip('/')}/audio/speech"
        try:
            async with session.post(
                url, data=msgspec.json.encode(body), headers=headers, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise _refusal(response.status)
                return await _samples(response)
        except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError) as error:
            raise UpstreamRefused() from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UpstreamBroke() from error

    async def close(self) -> None:
        """Give back connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._server.timeout_s)
            self._session = aiohttp.ClientSession(timeout=timeout)
        return self._session


async def _samples(response: aiohttp.ClientResponse) -> bytes:
    kind = response.content_type
    said = parse_mimetype(response.headers.get("Content-Type", "")).parameters
    if not (kind.startswith("audio/") or kind == "application/octet-stream"):
        raise UpstreamInvalid()
    if said.get("rate", str(SAMPLE_RATE)) != str(SAMPLE_RATE) or said.get("channels", "1") != "1":
        raise UpstreamInvalid()
    samples = bytearray()
    async for data in response.content.iter_any():
        samples += data
        if len(samples) > _MOST_BYTES:
            raise UpstreamInvalid()
    if _NO_SAMPLES.match(samples) or len(samples) < 2:
        # It did not heed the format that was asked for, or has nothing to say.
        raise UpstreamInvalid()
    return bytes(samples[: len(samples) // 2 * 2])


def _refusal(status: int) -> UpstreamFailed | UpstreamRejected | UpstreamUnauthorized | UpstreamRateLimited:
    if status in {401, 403}:
        return UpstreamUnauthorized()
    if status == 429:
        return UpstreamRateLimited()
    return UpstreamRejected() if 400 <= status < 500 else UpstreamFailed()
