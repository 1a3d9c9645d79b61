"""
The native frames with typed content: each `chunk` says what kind of thing it is a piece of.

One event may give several frames. Their ids count them (`1-6.1`, `1-6.2`, then `1-6`), so a
reader that was cut between two goes on with the next. What an event gives follows from the log up to it.
"""

import re
from collections.abc import Callable
from dataclasses import replace

import msgspec
from aiohttp import web

from gateway.dialects.native.frames import CONVERSATION, NATIVE, OF_GENERATION, NativeEncoder
from gateway.edge.timestamp import iso
from gateway.relay.dialect import Encoder, Resumption
from shared.errors import InvalidRequest
from shared.events import End, Error, Event, Picture, Reset, Text
from shared.generation import Generation
from shared.position import Position
from shared.segmenter import Data, Piece, Segmenter

_json = msgspec.json.Encoder().encode
_WITHIN = re.compile(r"(.*)\.([1-9]\d{0,8})", re.ASCII)


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """How it streams unless a reader asks otherwise; kept in the generation's `dialect_options`."""

    multimodal: bool = False


def typed(request: web.Request, generation: Generation) -> bool:
    """Whether this reader's stream has typed content. Raises `InvalidRequest` for an odd `?multimodal=`."""
    return wants_typed(request, generation.dialect == NATIVE.name and generation.options(Options).multimodal)


def wants_typed(request: web.Request, usual: bool) -> bool:
    """What `?multimodal=` says, else *usual*. Raises `InvalidRequest` for an odd one."""
    match request.query.get("multimodal"):
        case None:
            return usual
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise InvalidRequest("`multimodal` must be true or false.", field="multimodal")


class TypedEncoder(NativeEncoder):
    """`NativeEncoder` with typed chunks; leaves out the first *read* frames of the event *at*."""

    def __init__(
        self, generation: Generation, id_prefix: str = "", at: Position | None = None, read: int = 0
    ) -> None:
        super().__init__(generation, id_prefix)
        self._segmenter = Segmenter()
        self._at, self._read = at, read

    def encode(self, position: Position, event: Event) -> bytes:
        """The frames of the pieces that are certain now, then the event's own if it is no text."""
        pieces: list[Piece] = []
        match event:
            case Text():
                pieces = self._segmenter.feed(event.text) or [self._segmenter.nothing]
            case End() | Error():
                pieces = self._segmenter.finish()
            case Picture():
                # It stands between what was said and what will be.
                pieces = [*self._segmenter.finish(), _picture(event)]
                self._segmenter = Segmenter()
            case Reset():
                self._segmenter = Segmenter()
        own = [] if isinstance(event, Text | Picture) else [super().encode(position, event)]
        count = len(pieces) + len(own)
        ids = [f"{self._id_prefix}{position}.{number}" for number in range(1, count)]
        ids.append(f"{self._id_prefix}{position}")
        tokens = [0] * len(pieces)
        if isinstance(event, Text):
            tokens[-1] = event.tokens
        given = isinstance(event, Text) and event.given
        made = zip(ids, pieces, tokens, strict=False)
        frames = [self._chunk(*each, event.ts, given) for each in made] + own
        return b"".join(frames[self._read if position == self._at else 0 :])

    def _chunk(self, at: str, piece: Piece, tokens: int, ts: int, given: bool) -> bytes:
        also = ',"given":true' if given else ""
        data = "" if piece.data is None else f',"data":{_json(piece.data).decode()}'
        return (
            f'id: {at}\ndata: {{"type":"chunk","content":{_json(piece.content).decode()}'
            f',"contentType":"{piece.kind}"{data}{self._after_content}{iso(ts)}{self._chunk_end}{tokens}{also}}}}}\n\n'
        ).encode()


def _picture(event: Picture) -> Piece:
    lost = event.part.lost
    return Piece("image", "", Data(image_url=event.address if lost is None else "", lost=lost))


def resumption(last_id: str) -> Resumption:
    """What `1-6`, or `1-6.2` says: two frames of the event at 1-6 have been read."""
    return _resumption(last_id, lambda generation: "")


def resumption_of_conversation(last_id: str) -> Resumption:
    """The same for a conversation's stream, whose ids begin with the generation's."""
    return _resumption(last_id, lambda generation: f"{generation.id}{OF_GENERATION}")


def _resumption(last_id: str, id_prefix: Callable[[Generation], str]) -> Resumption:
    within = _WITHIN.fullmatch(last_id)
    if within is None:
        return Resumption(Position.parse(last_id))
    at, read = Position.parse(within[1]), int(within[2])

    def rest(generation: Generation) -> Encoder:
        return TypedEncoder(generation, id_prefix(generation), at, read)

    return Resumption(Position(at.attempt, at.seq - 1), rest)


TYPED = replace(NATIVE, encoder=TypedEncoder, stateless=False, resumption=resumption)

TYPED_CONVERSATION = replace(
    CONVERSATION,
    encoder=lambda generation: TypedEncoder(generation, f"{generation.id}{OF_GENERATION}"),
    stateless=False,
    resumption=resumption_of_conversation,
)
