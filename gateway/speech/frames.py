"""
What speeches are told in. Encoders say where sound is, not the sound: `\\0<place>\\0` stands for a piece of
it, which is fetched when its frame is written. So a reader who is slow holds places, not megabytes.
"""

from dataclasses import replace
from typing import Any

import msgspec

from gateway.relay.dialect import Dialect, Encoder
from shared.errors import HeadraceError
from shared.events import Audio, End, Error, Event, Reset, Start
from shared.generation import Generation
from shared.position import Position

_json = msgspec.json.Encoder().encode


class SpeechEncoder(Encoder):
    """Native frames: `start`, `audio`, `reset`, `end` or `error`, each with its position."""

    def __init__(self, generation: Generation) -> None:
        speech = generation.asked.speech
        self._format = speech.format if speech else "wav"
        self._id = generation.id

    def encode(self, position: Position, event: Event) -> bytes:
        """One frame an event that is of sound."""
        match event:
            case Start():
                return _frame(position, "start", speech_id=self._id, format=self._format)
            case Audio():
                return _sound(position, "audio", event)
            case Reset():
                return _frame(position, "reset", reason=event.reason)
            case End():
                reason = {} if event.reason is None else {"reason": event.reason}
                return _frame(position, "end", finish_reason=event.finish_reason, **reason)
            case Error():
                said = {"code": event.code, "message": event.message, "retryable": event.retryable}
                return _frame(position, "error", **said)
        return b""


class OpenAIEncoder(Encoder):
    """OpenAI's events: `speech.audio.delta`, with the place of its text beside, and `speech.audio.done`."""

    def __init__(self, generation: Generation) -> None:
        """Nothing of *generation* is needed."""

    def encode(self, position: Position, event: Event) -> bytes:
        """One event for what OpenAI has a word for."""
        match event:
            case Audio():
                return _sound(position, "speech.audio.delta", event)
            case End():
                usage = {
                    "input_tokens": event.usage.prompt_tokens,
                    "output_tokens": event.usage.completion_tokens,
                    "total_tokens": event.usage.total_tokens,
                }
                cut = {"finish_reason": "cancelled"} if event.finish_reason == "cancelled" else {}
                return _frame(position, "speech.audio.done", usage=usage, **cut)
            case Error():
                error = {"message": event.message, "type": "server_error", "param": None, "code": event.code}
                return _frame(position, "error", error=error)
        return b""


class PlacesEncoder(Encoder):
    """For whoever reads the sound alone: `<place> <first byte> <bytes>` a line; `!` where it is cut."""

    def __init__(self, generation: Generation) -> None:
        """Nothing of *generation* is needed."""

    def encode(self, position: Position, event: Event) -> bytes:
        """A line a piece."""
        match event:
            case Audio():
                return f"{position.attempt}-{event.number} {event.at} {event.size}\n".encode()
            case Error() | End(finish_reason="cancelled"):
                return b"!\n"
        return b""


def _sound(position: Position, kind: str, event: Audio) -> bytes:
    fields: dict[str, Any] = {"start": event.start, "end": event.end, "at": event.at, "ms": event.ms}
    if event.last:
        fields["last"] = True
    # Between two bytes that no JSON has.
    head = _frame(position, kind, **fields).removesuffix(b"}\n\n")
    return b'%b,"audio":"\0%d-%d\0"}\n\n' % (head, position.attempt, event.number)


def _frame(position: Position, kind: str, **fields: Any) -> bytes:
    return b"id: %d-%d\ndata: %b\n\n" % (*position, _json({"type": kind, **fields}))


def _refuse(generation: Generation, error: HeadraceError) -> bytes:
    said = {"code": error.code, "message": error.message, "retryable": error.retryable}
    return b"data: %b\n\n" % _json({"type": "error", **said})


def _refuse_openai(generation: Generation, error: HeadraceError) -> bytes:
    said = {"message": error.message, "type": "authentication_error", "param": None, "code": error.code}
    return b"data: %b\n\n" % _json({"type": "error", "error": said})


SPEECH = Dialect(
    name="speech",
    encoder=SpeechEncoder,
    refuse=_refuse,
    stateless=True,
    comes_back=True,
    hears_retry=True,
    says_reset=True,
    has_places=True,
)
OPENAI_SPEECH = replace(
    SPEECH,
    name="openai_speech",
    encoder=OpenAIEncoder,
    refuse=_refuse_openai,
    comes_back=False,
    hears_retry=False,
    status_waits_s=2.0,
)
#: A body of sound has no room for signs of life.
PLACES = replace(
    SPEECH,
    name="sound",
    encoder=PlacesEncoder,
    refuse=lambda generation, error: b"",
    comes_back=False,
    hears_retry=False,
    beat=lambda state: b"",
)
