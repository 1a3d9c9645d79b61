"""A speech as one body of sound, as it comes; of one that broke off, a range goes on at any byte."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import NamedTuple

from aiohttp import web
from aiohttp.client_exceptions import ClientConnectionResetError

from gateway.edge.access import room_for_stream
from gateway.edge.places import place_for_stream
from gateway.edge.sound import piece
from gateway.edge.state import STATE
from gateway.edge.streams import reading
from gateway.relay.feed import Subscriber
from gateway.speech.frames import PLACES
from shared import metrics
from shared.errors import AccessEnded, Draining, Gone, Internal, RangeNotSatisfiable
from shared.generation import Generation
from shared.sockets import notice_loss
from shared.speech import MEDIA_TYPES

#: How long the status waits for the first sound, or for its failure.
_STATUS_WAITS_S = 2.0
#: How long a range may be ahead of what there is.
_AHEAD_S = 2.0
#: The last byte of what has no end yet: https://www.rfc-editor.org/rfc/rfc8673
_NO_END = 2**53 - 1
_RANGE = re.compile(r"bytes=(\d{1,40})-(\d{1,40})?")


class Range(NamedTuple):
    """From which byte to which, if it says so."""

    first: int
    last: int | None


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


def range_of(request: web.Request, generation: Generation) -> Range | None:
    """What *request* asks for; None for all of it, also where it asks in a way that is not known."""
    asked = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if asked is None or request.headers.get("If-Range", _etag(generation)) != _etag(generation):
        return None
    first, last = int(asked[1]), int(asked[2]) if asked[2] else None
    return None if last is not None and last < first else Range(first, last)


async def stream(request: web.Request, generation: Generation, headers: dict[str, str]) -> web.StreamResponse:
    """All of *generation*'s sound, or the range that is asked for, as it comes."""
    state, asked = request.app[STATE], range_of(request, generation)
    speech = generation.asked.speech
    headers = {
        **headers,
        "Content-Type": MEDIA_TYPES[speech.format if speech else "wav"],
        "Cache-Control": "no-cache, no-transform",
        "Accept-Ranges": "bytes",
        "ETag": _etag(generation),
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
            begin = 0 if asked is None else asked.first
            known, total, is_cut = await _known(pieces, begin, whole=generation.ended)
            if asked is not None:
                last = _NO_END if total is None else total - 1
                last = last if asked.last is None else min(asked.last, last)
                headers["Content-Range"] = f"bytes {begin}-{last}/{'*' if total is None else total}"
                asked = Range(begin, last)
            if total is not None:
                end = total if asked is None else (asked.last or 0) + 1
                headers["Content-Length"] = str(end - begin)
            response = web.StreamResponse(status=200 if asked is None else 206, headers=headers)
            await _write(
                request, response, generation.id, _joined(known, pieces, is_cut), asked or Range(0, None)
            )
            return response


async def _known(
    pieces: AsyncIterator[_Piece], begin: int, *, whole: bool
) -> tuple[list[_Piece], int | None, bool]:
    """
    The pieces up to byte *begin*, or to the end of what is *whole*, with its size then; and whether that was
    cut. Raises `RangeNotSatisfiable` where *begin* is beyond what there is.
    """
    known: list[_Piece] = []
    is_cut, top = False, 0
    try:
        async with asyncio.timeout(None if whole else _AHEAD_S):
            while whole or top < begin:
                known.append(await anext(pieces))
                top = known[-1].end
    except (TimeoutError, StopAsyncIteration):
        pass
    except _Cut:
        is_cut = True
    if begin > top or (begin == top and begin and whole):
        raise RangeNotSatisfiable(field="Range", detail={"bytes": str(top)})
    return known, top if whole and not is_cut else None, is_cut


async def _write(
    request: web.Request,
    response: web.StreamResponse,
    generation_id: str,
    pieces: AsyncIterator[_Piece],
    asked: Range,
) -> None:
    audio = request.app[STATE].audio
    try:
        await response.prepare(request)
        with metrics.open_streams.labels(PLACES.name).track_inprogress():
            try:
                async for each in pieces:
                    if each.end > asked.first:
                        sound = await piece(audio, generation_id, each.place)
                        end = None if asked.last is None else asked.last + 1 - each.at
                        await response.write(sound[max(0, asked.first - each.at) : end])
                    if asked.last is not None and each.end > asked.last:
                        break
            except (_Cut, AccessEnded, Draining, Gone, Internal):
                # A clean end would be the speech's end to whoever reads it.
                if request.transport is not None:
                    request.transport.close()
                return
        await response.write_eof()
    except (ConnectionResetError, ClientConnectionResetError):
        pass  # the client left


async def _joined(known: list[_Piece], pieces: AsyncIterator[_Piece], is_cut: bool) -> AsyncIterator[_Piece]:
    for each in known:
        yield each
    if is_cut:
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


def _etag(generation: Generation) -> str:
    return f'"{generation.id}"'
