"""A speech as one body of sound, as it comes; of one that broke off, a range goes on at any byte."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import NamedTuple

from aiohttp import web
from aiohttp.client_exceptions import ClientConnectionResetError

from gateway.edge.access import room_for_stream
from gateway.edge.places import place_for_stream
from gateway.edge.ranges import Span, asked_of
from gateway.edge.sound import piece
from gateway.edge.state import STATE
from gateway.edge.streams import reading
from gateway.relay.feed import Subscriber
from gateway.speech.frames import PLACES
from shared import metrics
from shared.errors import AccessEnded, Draining, Gone, Internal
from shared.generation import Generation
from shared.sockets import notice_loss
from shared.speech import MEDIA_TYPES

#: How long the status waits for the first sound, or for its failure.
_STATUS_WAITS_S = 2.0
#: How long a range may be ahead of what there is.
_AHEAD_S = 2.0


class _Piece(NamedTuple):
    """Where a piece is, and the byte of the whole that it begins with."""

    place: str
    at: int
    size: int

    @property
    def end(self) -> int:
        """The byte after it."""
        return self.at + self.size


class _Cut(Exception):
    """It has failed or was stopped: what was written is not all of it."""


async def stream(request: web.Request, generation: Generation, headers: dict[str, str]) -> web.StreamResponse:
    """All of *generation*'s sound, or the range that is asked for, as it comes."""
    state, etag = request.app[STATE], f'"{generation.id}"'
    speech, asked = generation.asked.speech, asked_of(request, etag)
    headers = {
        **headers,
        "Content-Type": MEDIA_TYPES[speech.format if speech else "wav"],
        "Cache-Control": "private, no-cache, no-transform",
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "X-Accel-Buffering": "no",
    }
    if request.method == "HEAD":
        return web.StreamResponse(headers=headers)
    room_for_stream(state)
    if request.transport is not None:
        notice_loss(request.transport.get_extra_info("socket"))
    async with place_for_stream(request), reading(request, generation, PLACES) as subscriber:
        first = await subscriber.first_words(_STATUS_WAITS_S)
        async with aclosing(_pieces(subscriber, first)) as pieces:
            known = await _known(pieces, asked.known_up_to if asked else 0, ended=generation.ended)
            total, span = known.top if known.is_whole else None, None
            if asked is not None and total is not None:
                span = asked.within(total)
            elif asked is not None:
                span = asked.so_far(known.top, grows=not known.is_cut)
            wanted = span or Span(0)
            if span is not None:
                headers["Content-Range"] = span.of(total)
            end = total if wanted.last is None else wanted.last + 1
            if end is not None:
                headers["Content-Length"] = str(end - wanted.first)
            response = web.StreamResponse(status=200 if span is None else 206, headers=headers)
            await _write(request, response, generation.id, _joined(known, pieces), wanted)
            return response


class _Known(NamedTuple):
    """What is known of it before the first byte is sent."""

    pieces: list[_Piece]
    #: They are all that there is.
    is_whole: bool = False
    #: They are all that there will be, and not the whole.
    is_cut: bool = False

    @property
    def top(self) -> int:
        """How many bytes they have."""
        return self.pieces[-1].end if self.pieces else 0


async def _known(pieces: AsyncIterator[_Piece], ahead: int, *, ended: bool) -> _Known:
    """The first *ahead* bytes, if they come within a while, or all of what has *ended*."""
    known = _Known([])
    try:
        async with asyncio.timeout(None if ended else _AHEAD_S):
            while ended or known.top < ahead:
                known.pieces.append(await anext(pieces))
    except TimeoutError:
        return known
    except StopAsyncIteration:
        return _Known(known.pieces, is_whole=True)
    except _Cut:
        return _Known(known.pieces, is_cut=True)
    return known


async def _write(
    request: web.Request,
    response: web.StreamResponse,
    generation_id: str,
    pieces: AsyncIterator[_Piece],
    wanted: Span,
) -> None:
    audio = request.app[STATE].audio
    try:
        await response.prepare(request)
        with metrics.open_streams.labels(PLACES.name).track_inprogress():
            try:
                async for each in pieces:
                    if each.end > wanted.first:
                        sound = await piece(audio, generation_id, each.place)
                        await response.write(wanted.cut(sound, each.at))
                    if wanted.last is not None and each.end > wanted.last:
                        break
            except (_Cut, AccessEnded, Draining, Gone, Internal):
                # A clean end would be the speech's end to whoever reads it.
                if request.transport is not None:
                    request.transport.close()
                return
        await response.write_eof()
    except (ConnectionResetError, ClientConnectionResetError):
        pass  # the client left


async def _joined(known: _Known, pieces: AsyncIterator[_Piece]) -> AsyncIterator[_Piece]:
    for each in known.pieces:
        yield each
    if known.is_cut:
        raise _Cut
    async for each in pieces:
        yield each


async def _pieces(subscriber: Subscriber, first: bytes) -> AsyncGenerator[_Piece, None]:
    data = first or await subscriber.read()
    while data:
        for line in data.splitlines():
            if line == b"!":
                raise _Cut
            place, at, size = line.decode().split()
            yield _Piece(place, int(at), int(size))
        data = await subscriber.read()
