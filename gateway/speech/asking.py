"""What is to be spoken, from a request to a generation of its own."""

import hashlib

import msgspec
from aiohttp import web

from gateway.edge.access import owned
from gateway.edge.body import digest, idempotency_key
from gateway.edge.limits import accept
from gateway.edge.state import ASKER, REQUEST_ID, STATE, TRACE, State
from gateway.edge.submission import new_suffix
from gateway.relay.dialect import Dialect
from shared.asker import scope_of
from shared.errors import InvalidRequest, NotFound, SpeechUnavailable, TooBusy
from shared.generation import Generation, OnDisconnect, Request, Submission
from shared.speech import FORMATS, QUEUE, Able, Format, Speech

#: Speeches of the same reply in the same voice that were stopped, or failed, before another is refused.
_MOST_AGAIN = 50
#: OpenAI's voices, which clients name: each is whichever speaks the language here.
_OPENAI_VOICES = frozenset(
    ("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer")
) | {"verse"}


async def able(state: State) -> Able:
    """What can be spoken. Raises `SpeechUnavailable`."""
    found = await state.speakers.able()
    if found is None:
        raise SpeechUnavailable()
    return found


def checked_format(can: Able, kind: str, field: str) -> Format:
    """*kind*, if it can be made here. Raises `InvalidRequest`."""
    for known in FORMATS:
        if known == kind and known in can.formats:
            return known
    here = ", ".join(can.formats)
    if kind in FORMATS:
        raise InvalidRequest(
            f"{kind} cannot be made here, only: {here}. The extra `speech` has what makes it.", field=field
        )
    raise InvalidRequest(f"`{field}` must be one of: {here}.", field=field)


def checked_voice(can: Able, voice: str) -> str:
    """
    *voice*, if there is one of that name; `auto` for one of OpenAI's that is not. Raises `InvalidRequest`.
    """
    if voice in _OPENAI_VOICES - {*can.voices}:
        return "auto"
    if voice not in can.voices:
        raise InvalidRequest(
            f"There is no voice of that name; there is: {', '.join(can.voices)}.", field="voice"
        )
    return voice


async def begin(
    request: web.Request, speech: Speech, dialect: Dialect, on_disconnect: OnDisconnect
) -> Generation:
    """Speak a text: a generation of its own; a repeated request is the first one."""
    submission = _submission(
        request, speech, dialect, new_suffix(request), on_disconnect, idempotency_key(request), digest(speech)
    )
    known_id, _ = await accept(request, submission)
    return await owned(request.app[STATE], request, known_id)


async def join(request: web.Request, source: Generation, speech: Speech, dialect: Dialect) -> Generation:
    """
    Speak *source*'s reply: what speaks it in that voice and format already, unless that was stopped or has
    failed. Then it is spoken anew.
    """
    state = request.app[STATE]
    if source.state == "cancelled":
        speech = msgspec.structs.replace(speech, was_stopped=True)
    cell = state.broker.cells.of_generation(source.id)
    same = hashlib.sha256(msgspec.json.encode(speech)).hexdigest()[:32]
    for again in range(_MOST_AGAIN):
        suffix = state.broker.cells.new_suffix(cell)
        # No client's own key has a space.
        key = f"speech {same} {again}"
        submission = _submission(request, speech, dialect, suffix, source.on_disconnect, key, same)
        known_id, _ = await accept(request, submission)
        try:
            known = await owned(state, request, known_id)
        except NotFound:
            continue
        if known.state not in {"failed", "cancelled"} and not await _has_expired(state, known):
            return known
    raise TooBusy("This reply has been spoken, and stopped, too often.", retry_after_s=60)


async def _has_expired(state: State, speech: Generation) -> bool:
    return speech.ended and not await state.audio.count(speech.id)


def _submission(
    request: web.Request,
    speech: Speech,
    dialect: Dialect,
    suffix: str,
    on_disconnect: OnDisconnect,
    key: str | None,
    same: str,
) -> Submission:
    asker = request[ASKER]
    return Submission(
        generation_id=f"gen_{suffix}",
        owner=asker.owner,
        tenant=scope_of(asker.tenant),
        weight=asker.weight,
        priority="background" if asker.in_background else "interactive",
        model=QUEUE,
        queue=QUEUE,
        dialect=dialect.name,
        request=Request(speech=speech, max_tokens=max(1, len(speech.text or "") // 4)),
        on_disconnect=on_disconnect,
        idempotency_key=key,
        digest=same,
        trace=request.get(TRACE, ""),
        request_id=request.get(REQUEST_ID, ""),
    )
