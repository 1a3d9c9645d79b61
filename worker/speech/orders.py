"""What a sound is made of, and what comes of it: how a worker and the processes that make sound talk."""

from typing import Literal

import msgspec

from shared.speech import Format

Engine = Literal["hibari", "espeak", "none"]


class Order(msgspec.Struct, frozen=True):
    """A sentence to speak, or with `none` its `samples` as they are, in a format."""

    engine: Engine
    language: str
    words: str
    speed: float
    format: Format
    samples: bytes = b""
    #: Where the encoder of this speech stands; empty at its beginning.
    carry: list[int] = []


class Sound(msgspec.Struct, frozen=True):
    """Its bytes, how long they last, and where the encoder stands after it."""

    data: bytes
    ms: int
    carry: list[int]
    error: str = ""


class Here(msgspec.Struct, frozen=True):
    """What is installed."""

    engines: list[Engine]
    formats: list[Format]
