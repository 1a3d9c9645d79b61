"""Samples -> bytes of a format, sentence by sentence: joined, they are one file."""

import io
import struct
from importlib.util import find_spec

from shared.speech import SAMPLE_RATE, Format
from worker.speech import ogg

_BYTES = 2
#: Of a file whose end nobody knows yet.
_UNKNOWN = 0xFFFFFFFF
_MP3_KBPS = 64
#: Samples of an Opus frame, and those that its encoder puts before the first.
_FRAME, _LEAD = SAMPLE_RATE // 50, 156


def available() -> list[Format]:
    """The formats that can be made here."""
    found: list[Format] = ["wav", "pcm"]
    if find_spec("lameenc"):
        found.append("mp3")
    if find_spec("soundfile"):
        found.append("opus")
    return found


def encode(samples: bytes, kind: Format, carry: list[int]) -> tuple[bytes, list[int]]:
    """*samples* as bytes of *kind*, after what *carry* says; and where that stands then."""
    if kind == "pcm":
        return samples, [1]
    if kind == "wav":
        return (b"" if carry else wav_header()) + samples, [1]
    if kind == "mp3":
        return _mp3(samples), [1]
    pages, granule = carry or (0, 0)
    data, pages, granule = ogg.go_on(_opus(samples), pages, granule)
    return data, [pages, granule]


def wav_header() -> bytes:
    """Of a file that has no end yet."""
    rate = SAMPLE_RATE
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * _BYTES, _BYTES, 8 * _BYTES)
    unknown = struct.pack("<I", _UNKNOWN)
    return b"RIFF" + unknown + b"WAVEfmt " + form + b"data" + unknown


def _mp3(samples: bytes) -> bytes:
    import lameenc

    encoder = lameenc.Encoder()
    encoder.set_channels(1)
    encoder.set_in_sample_rate(SAMPLE_RATE)
    encoder.set_bit_rate(_MP3_KBPS)
    encoder.set_quality(5)
    encoder.silence()
    return bytes(encoder.encode(samples)) + bytes(encoder.flush())


def _opus(samples: bytes) -> bytes:
    import numpy
    import soundfile

    file = io.BytesIO()
    # Only the last frame of a stream may be cut, and there is none in ours.
    missing = -(len(samples) // _BYTES + _LEAD) % _FRAME
    array = numpy.frombuffer(samples + bytes(missing * _BYTES), "<i2")
    soundfile.write(file, array, SAMPLE_RATE, format="OGG", subtype="OPUS")
    return file.getvalue()
