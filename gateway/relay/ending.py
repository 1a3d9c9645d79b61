"""A dialect that says nothing: for handlers that wait for a generation's end."""

from gateway.relay.dialect import Dialect, Encoder
from shared.events import Event
from shared.generation import Generation
from shared.position import Position


class _Silent(Encoder):
    def __init__(self, generation: Generation) -> None:
        """Nothing of *generation* is needed."""

    def encode(self, position: Position, event: Event) -> bytes:
        """Nothing."""
        return b""


ENDING = Dialect(
    name="ending",
    encoder=_Silent,
    refuse=lambda generation, error: b"",
    stateless=True,
    comes_back=False,
    hears_retry=False,
    says_reset=True,
)
