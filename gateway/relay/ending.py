"""Nothing but the terminal event: for handlers that wait for a generation's end."""

from shared.events import End, Error, Event
from shared.generation import Generation
from shared.position import Position

name = "ending"
stateless = True
comes_back = False
bears_empty_frames = True
says_reset = True


def encoder(generation: Generation) -> "EndingEncoder":
    """An encoder for *generation*."""
    return EndingEncoder()


def queued(generation: Generation, place: int) -> bytes:
    """Nothing."""
    return b""


class EndingEncoder:
    """Silent until the end."""

    def encode(self, position: Position, event: Event) -> bytes:
        """The terminal event's position, or nothing."""
        return str(position).encode() if isinstance(event, End | Error) else b""
