"""A wire format, as the relay sees it: what turns events into frames, and what its clients can bear."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from shared.errors import HeadraceError
from shared.events import Event
from shared.generation import Generation
from shared.position import Position


class Encoder(ABC):
    """Turns one generation's events into frames, in order from its first event on."""

    @abstractmethod
    def encode(self, position: Position, event: Event) -> bytes:
        """The frames for *event*; empty where the dialect has nothing to say."""

    def go_live(self) -> None:
        """From here on it encodes for every reader of the dialect, no longer for the one that replayed."""
        return


def no_frame(generation: Generation, place: int) -> bytes:
    """A dialect without a word for places in the queue."""
    return b""


class Resumption(NamedTuple):
    """Where a reader goes on, and who leaves out what it has of the event that follows."""

    after: Position
    encoder: Callable[[Generation], Encoder] | None = None


def after_position(last_id: str) -> Resumption:
    """The reading of ids that are positions. Raises `ValueError` for others."""
    return Resumption(Position.parse(last_id))


def comment(state: str) -> bytes:
    """A sign of life that no client takes for an event."""
    return f": hb {state}\n".encode()


@dataclass(frozen=True, eq=False, kw_only=True)
class Dialect:
    """A wire format of event streams. There is one object a format: feeds keep their encoders by it."""

    name: str
    #: A fresh encoder, to be fed from the log's first event on (from anywhere, if `stateless`).
    encoder: Callable[[Generation], Encoder]
    #: What the last id that a reader has says. Raises `ValueError` for what is no id.
    resumption: Callable[[str], Resumption] = after_position
    #: The last frame, without id, of a stream that ends for its reader alone: why nothing more is said to it
    #: of what goes on.
    refuse: Callable[[Generation, HeadraceError], bytes]
    #: A frame without id that tells the place in the queue.
    queued: Callable[[Generation, int], bytes] = no_frame
    #: What a silent stream says of *state*, such as `worker=1.2s`.
    beat: Callable[[str], bytes] = comment
    #: Whether a frame depends on its event alone, so that reading may start anywhere.
    stateless: bool
    #: Whether its frames have a picture's bytes in them, and not only its address.
    carries_bytes: bool = False
    #: Whether clients connect again by themselves when a stream ends without a terminal frame. Others take
    #: any clean end for the answer's: what is cut must look like a broken connection to them, and a
    #: gateway that drains leaves them on until its grace is over.
    comes_back: bool
    #: Whether clients heed `retry:`, which says how long to wait before they connect again.
    hears_retry: bool
    #: Whether it can say that all text so far is void. Where it cannot, what it says of a reset is its end.
    says_reset: bool
    #: Whether its frames have places for sound, which are filled when they are written.
    has_places: bool = False
    #: How long a new answer's status waits for its first word or its failure.
    status_waits_s: float = 0
