"""Speech."""

from collections.abc import Sequence

from gateway.route import IDEMPOTENT, RANGE, RESUME, STRING, Route
from gateway.speech import calls

_SOUNDS = ("audio/wav", "audio/pcm", "audio/mpeg", "audio/ogg")
_STREAM_FORMAT = ("query", "stream_format", {"type": "string", "enum": ["audio", "sse"]})

ROUTES: Sequence[Route] = (
    Route(
        "POST",
        "/api/tts/stream",
        calls.speak,
        body=calls.SpeechAsked,
        gives=_SOUNDS[0],
        also=_SOUNDS[1:],
        streams=True,
        errors=(400, 401, 404, 413, 415, 422, 429, 500, 501, 502, 503),
        parameters=IDEMPOTENT,
    ),
    Route(
        "GET",
        "/api/chat/{generation_id}/speech",
        calls.speak_reply,
        gives=_SOUNDS[0],
        also=_SOUNDS[1:],
        streams=True,
        statuses=(200, 204, 206),
        errors=(400, 401, 404, 410, 416, 429, 500, 501, 502, 503),
        parameters=(
            *RESUME,
            *RANGE,
            _STREAM_FORMAT,
            ("query", "voice", STRING),
            ("query", "format", STRING),
            ("query", "speed", {"type": "number", "minimum": 0.25, "maximum": 4}),
        ),
        scopes=("chat",),
        counts=False,
    ),
    Route(
        "GET",
        "/api/tts/{generation_id}/stream",
        calls.resume,
        gives=_SOUNDS[0],
        also=_SOUNDS[1:],
        streams=True,
        statuses=(200, 204, 206),
        errors=(400, 401, 404, 410, 416, 429, 500, 502, 503),
        parameters=(*RESUME, *RANGE, _STREAM_FORMAT),
        scopes=("chat", "read"),
        counts=False,
    ),
)

#: Its errors are OpenAI's.
OPENAI_ROUTES: Sequence[Route] = (
    Route(
        "POST",
        "/v1/audio/speech",
        calls.speak_openai,
        body=calls.OpenAISpeech,
        gives=_SOUNDS[2],
        also=(*_SOUNDS[:2], _SOUNDS[3]),
        streams=True,
        errors=(400, 401, 413, 415, 422, 429, 500, 501, 502, 503),
        parameters=IDEMPOTENT,
    ),
)
