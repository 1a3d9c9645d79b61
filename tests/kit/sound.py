"""What a speech's bytes are as sound, by libraries that are not ours, and what is heard in it."""

import io
import json
from typing import Any

import numpy
import soundfile
from aiohttp import ClientSession

_HEARS_AT = 16_000


async def spoken(session: ClientSession, url: str, **body: Any) -> bytes:
    """The body of `POST /api/tts/stream`."""
    async with session.post(f"{url}/api/tts/stream", json=body) as response:
        assert response.status == 200, await response.text()
        return await response.read()


def samples(data: bytes, kind: str = "wav") -> tuple[Any, int]:
    """The samples of a file, between -1 and 1, and their rate."""
    if kind == "pcm":
        return numpy.frombuffer(data, "<i2") / 32768, 24_000
    if kind == "wav":
        # Its header says that the end is not known yet.
        assert data[:4] == b"RIFF" and data[8:16] == b"WAVEfmt "
        return numpy.frombuffer(data[44:], "<i2") / 32768, int.from_bytes(data[24:28], "little")
    found: tuple[Any, int] = soundfile.read(io.BytesIO(data))
    return found


def seconds(data: bytes, kind: str = "wav") -> float:
    """How long it lasts."""
    heard, rate = samples(data, kind)
    return len(heard) / rate


def loudness(data: bytes, kind: str = "wav") -> float:
    """Its mean amplitude: of silence 0."""
    return float(numpy.abs(samples(data, kind)[0]).mean())


def words(data: bytes, kind: str = "wav") -> list[str]:
    """The words that a recogniser hears in it, English ones."""
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=_HEARS_AT, loglevel="FATAL")
    heard, rate = samples(data, kind)
    count = int(len(heard) * _HEARS_AT / rate)
    at = numpy.arange(count) * (rate / _HEARS_AT)
    spoken = (numpy.interp(at, numpy.arange(len(heard)), heard) * 32767).astype("<i2").tobytes()
    decoder.start_utt()
    decoder.process_raw(spoken, full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return [] if found is None else found.hypstr.split()


def frames(raw: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream that was read to its end, with their ids."""
    found = []
    for block in raw.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in lines:
            found.append((lines.get("id", ""), json.loads(lines["data"])))
    return found
