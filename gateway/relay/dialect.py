"""Wire formats: one module a dialect turns events into bytes. The relay knows none of them."""

from typing import Protocol

from shared.events import Event
from shared.generation import Generation
from shared.position import Position


class Encoder(Protocol):
    """Turns one generation's events into frames, in order from its first event on."""

    def encode(self, position: Position, event: Event) -> bytes:
        """The frames for *event*; empty where the dialect has nothing to say."""
        ...


class Dialect(Protocol):
    """A wire format of event streams."""

    name: str
    #: Whether a frame depends on its event alone, so that reading may start anywhere.
    stateless: bool
    #: Whether clients connect again by themselves when a stream ends without a terminal frame. Others take
    #: any clean end for the answer's: what is cut must look like a broken connection to them, and a
    #: gateway that drains leaves them on until its grace is over.
    comes_back: bool
    #: Whether clients bear frames without data: `retry:`, and the empty line behind a comment. OpenAI's
    #: Python client reads one as JSON, and fails.
    bears_empty_frames: bool
    #: Whether it can say that all text so far is void. Where it cannot, what it says of a reset is its end.
    says_reset: bool

    def encoder(self, generation: Generation) -> Encoder:
        """A fresh encoder, to be fed from the log's first event on (from anywhere, if stateless)."""
        ...

    def queued(self, generation: Generation, place: int) -> bytes:
        """A frame without id that tells the place in the queue; empty where there is no such thing."""
        ...
