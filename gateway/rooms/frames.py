"""What a room says: JSON objects with a `type`; those of its log have a `position`."""

from typing import Any

import msgspec

from gateway.edge.timestamp import iso
from gateway.relay.dialect import Dialect, Encoder
from shared.events import End, Error, Event, Picture, Reset, Text, now_ms
from shared.generation import Generation
from shared.parts import words
from shared.position import Position

_json = msgspec.json.Encoder().encode


def entry(kind: str, **fields: Any) -> bytes:
    """One of them, made now; fields that are None are left out."""
    said = {name: value for name, value in fields.items() if value is not None}
    return _json({"type": kind, **said, "timestamp": iso(now_ms())})


def placed(life: str, number: int, said: bytes) -> str:
    """An entry as it is sent: with its position."""
    return f'{{"position":"{life}-{number}",{said[1:].decode()}'


class RoomEncoder(Encoder):
    """A reply's events as lines for the room's log: `<position>`, ` ends` if last, a tab, the entry."""

    def __init__(self, generation: Generation) -> None:
        self._about = {"conversation_id": generation.conversation, "generation_id": generation.id}

    def encode(self, position: Position, event: Event) -> bytes:
        """A line for what a room shows of a reply."""
        match event:
            case Text():
                return self._line(position, "stream_chunk", content=event.text)
            case Picture(part=part):
                # Its bytes are the room's: members read them there.
                where = f"/api/rooms/{self._about['conversation_id']}/blobs/{part.blob}"
                facts = {"blob": part.blob, "content_type": part.content_type, "size": part.size}
                told = facts if part.lost is None else {"lost": part.lost}
                return self._line(position, "stream_chunk", content=words(part, where), part=told)
            case Reset():
                return self._line(position, "stream_reset", reason=event.reason)
            case End(finish_reason="cancelled"):
                return self._line(position, "stopped", ends=True, reason=event.reason)
            case End():
                return self._line(position, "stream_end", ends=True, finish_reason=event.finish_reason)
            case Error():
                return self._line(position, "stream_error", ends=True, code=event.code, message=event.message)
        return b""

    def _line(self, position: Position, kind: str, *, ends: bool = False, **fields: Any) -> bytes:
        said = entry(kind, **fields, **self._about)
        return f"{position}{' ends' if ends else ''}\t".encode() + said + b"\n"


ROOM = Dialect(
    name="room",
    encoder=RoomEncoder,
    refuse=lambda generation, error: b"",
    stateless=True,
    comes_back=True,
    hears_retry=False,
    says_reset=True,
)
