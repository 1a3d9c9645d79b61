"""
Speech, as gateway and worker agree on it: what is asked for, in which formats, and who can speak at all.

A speech is a generation of queue `speech`. Its event log says which sound belongs to which place of the text;
the sound itself is kept apart (`shared/audio.py`).
"""

from typing import Literal, get_args

import msgspec

#: Its queue; its records and metrics have it for a model.
QUEUE = "speech"
#: Sound is mono, of 16-bit samples, so many a second.
SAMPLE_RATE = 24_000

Format = Literal["wav", "pcm", "mp3", "opus"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPES: dict[Format, str] = {
    "wav": "audio/wav",
    "pcm": "audio/pcm",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
}


class Speech(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be spoken: a text, or the reply of another generation while it is written."""

    text: str | None = None
    generation_id: str | None = None
    voice: str = "auto"
    format: Format = "wav"
    speed: float = 1.0
    #: That reply had been stopped already: what there is of it is spoken. Else its Stop is one of this too.
    was_stopped: bool = False


class Able(msgspec.Struct, frozen=True):
    """What the workers of an installation can speak."""

    formats: list[str]
    voices: list[str]
