"""The speech calls: our own, and OpenAI's."""

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.edge import sse, streams
from gateway.edge.access import owned
from gateway.edge.body import checked, checked_id, clean_text, read_body
from gateway.edge.state import STATE
from gateway.relay.dialect import Dialect
from gateway.speech import asking, body
from gateway.speech.frames import OPENAI_SPEECH, SPEECH
from shared.errors import InvalidRequest, NotFound
from shared.generation import Generation
from shared.position import ORIGIN
from shared.speech import MEDIA_TYPES, Speech

StreamFormat = Literal["audio", "sse"]
Speed = Annotated[float, Meta(ge=0.25, le=4)]

_OPENAI_MOST_CHARS = 4096


class SpeechAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /api/tts/stream`: a `text`, or the reply of a `generation_id` while it is written."""

    text: str | None = None
    generation_id: str | None = None
    voice: str = "auto"
    format: str = "wav"
    speed: Speed = 1.0
    stream_format: StreamFormat | None = None


class ReplyAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The query of `GET /api/chat/{generation_id}/speech`."""

    voice: str = "auto"
    format: str = "wav"
    speed: Speed = 1.0
    stream_format: StreamFormat | None = None
    after: str | None = None
    token: str | None = None


class OpenAISpeech(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /v1/audio/speech`, as OpenAI has it. Whatever `model` is named, the same speaks."""

    input: str
    model: str = "tts-1"
    voice: str | dict[str, Any] = "alloy"
    response_format: str | None = None
    speed: Speed = 1.0
    stream_format: StreamFormat = "audio"
    instructions: str = ""


async def speak(request: web.Request) -> web.StreamResponse:
    """Speak a text, or a reply."""
    asked, state = await read_body(request, SpeechAsked), request.app[STATE]
    if (asked.text is None) == (asked.generation_id is None):
        raise InvalidRequest("The body needs a `text` or a `generation_id`, one of them.", field="text")
    can = await asking.able(state)
    speech = Speech(
        generation_id=asked.generation_id and checked_id(asked.generation_id, "generation_id"),
        text=None if asked.text is None else _said(asked.text, "text", state.settings.max_message_chars),
        voice=asking.checked_voice(can, asked.voice),
        format=asking.checked_format(can, asked.format, "format"),
        speed=asked.speed,
    )
    if speech.generation_id is not None:
        source = await owned(state, request, speech.generation_id)
        generation = await asking.join(request, _not_speech(source), speech, SPEECH)
    else:
        generation = await asking.begin(request, speech, SPEECH, "continue")
    return await _stream(request, generation, asked.stream_format, SPEECH)


async def speak_reply(request: web.Request) -> web.StreamResponse:
    """Speak a reply while it is written, or after."""
    state, query = request.app[STATE], {**request.query}
    asked = msgspec.convert(_checked(query), ReplyAsked, strict=False)
    source = _not_speech(await owned(state, request, request.match_info["generation_id"]))
    can = await asking.able(state)
    speech = Speech(
        generation_id=source.id,
        voice=asking.checked_voice(can, asked.voice),
        format=asking.checked_format(can, asked.format, "format"),
        speed=asked.speed,
    )
    if request.method == "HEAD":
        return sse.announced(request, {"Content-Type": MEDIA_TYPES[speech.format]})
    generation = await asking.join(request, source, speech, SPEECH)
    return await _stream(request, generation, asked.stream_format, SPEECH)


async def resume(request: web.Request) -> web.StreamResponse:
    """Resume a speech: its events after `Last-Event-ID`, or its sound from a `Range` on."""
    generation = await owned(request.app[STATE], request, request.match_info["generation_id"])
    if generation.asked.speech is None:
        raise NotFound("There is no speech of that id.", field="generation_id")
    stream_format = request.query.get("stream_format")
    if stream_format not in {None, "audio", "sse"}:
        raise InvalidRequest("`stream_format` is `audio` or `sse`.", field="stream_format")
    dialect = OPENAI_SPEECH if generation.dialect == OPENAI_SPEECH.name else SPEECH
    return await _stream(request, generation, stream_format, dialect)


async def speak_openai(request: web.Request) -> web.StreamResponse:
    """OpenAI's call."""
    asked, state = await read_body(request, OpenAISpeech), request.app[STATE]
    if asked.instructions.strip():
        raise InvalidRequest("The voices here take no instructions.", field="instructions")
    can = await asking.able(state)
    voice = asked.voice if isinstance(asked.voice, str) else str(asked.voice.get("id", ""))
    wanted = asked.response_format or ("mp3" if "mp3" in can.formats else "wav")
    speech = Speech(
        text=_said(asked.input, "input", _OPENAI_MOST_CHARS),
        voice=asking.checked_voice(can, voice),
        format=asking.checked_format(can, wanted, "response_format"),
        speed=asked.speed,
    )
    generation = await asking.begin(request, speech, OPENAI_SPEECH, "cancel")
    return await _stream(request, generation, asked.stream_format, OPENAI_SPEECH)


async def _stream(
    request: web.Request, generation: Generation, stream_format: str | None, dialect: Dialect
) -> web.StreamResponse:
    if stream_format is None:
        accepts = request.headers.get("Accept", "")
        goes_on = "Last-Event-ID" in request.headers or "after" in request.query
        wants_events = goes_on or "text/event-stream" in accepts
        stream_format = "sse" if wants_events else "audio"
    headers = {"X-Generation-Id": generation.id, "Location": f"/api/tts/{generation.id}/stream"}
    if stream_format == "audio":
        return await body.stream(request, generation, headers)
    after = streams.resume_position(request, dialect)
    if (
        request.method == "GET"
        and generation.ended
        and await streams.nothing_follows(request.app[STATE], generation, after)
    ):
        return web.Response(status=204, headers=headers)
    return await streams.stream_known(request, generation, dialect, after, headers, whole=after == ORIGIN)


def _said(text: str, field: str, most: int) -> str:
    """*text* as it is, for sound is told by places in it. Raises `InvalidRequest`."""
    clean_text(text, field, most)
    if len(text) > most:
        raise InvalidRequest(f"`{field}` may have {most} characters at most.", field=field)
    return text


def _not_speech(source: Generation) -> Generation:
    if source.asked.speech is not None:
        raise InvalidRequest("This is a speech, and no reply.", field="generation_id")
    return source


def _checked(query: dict[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = dict(query)
    if "speed" in said:
        try:
            said["speed"] = float(query["speed"])
        except ValueError:
            raise InvalidRequest("`speed` is a number.", field="speed") from None
    checked(said, ReplyAsked)
    return said
