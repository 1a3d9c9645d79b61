"""
The cancel channel: who is to stop, pushed the moment somebody asks. What is missed comes with a renewal.
"""

from collections import deque
from collections.abc import Callable

from shared import keys
from shared.cells import Cells
from shared.channels import Channels
from shared.events import CancelReason, cancel_reason

Stop = Callable[[CancelReason], None]


class Cancels:
    """Tells whoever expects it that its generation is to stop."""

    def __init__(self) -> None:
        self._stops: dict[str, Stop] = {}
        #: A cancel may overtake the answer to the claim of its generation.
        self._unclaimed: deque[tuple[str, CancelReason]] = deque(maxlen=1000)

    def expect(self, generation_id: str, stop: Stop) -> None:
        """Call *stop* when *generation_id* is cancelled, at once if that was heard before."""
        self._stops[generation_id] = stop
        for cancelled_id, reason in self._unclaimed:
            if cancelled_id == generation_id:
                stop(reason)

    def forget(self, generation_id: str) -> None:
        """Nobody expects it any more."""
        self._stops.pop(generation_id, None)

    def follow(self, channels: Channels, cells: Cells) -> None:
        """Hear of all who are to stop, over *channels*."""
        for cell in cells:
            channels.want(cell, cell.key(keys.CANCEL), self.heard)

    def heard(self, data: bytes) -> None:
        """One push: `<generation id> <reason>`."""
        generation_id, _, word = data.decode(errors="replace").partition(" ")
        reason = cancel_reason(word)
        stop = self._stops.get(generation_id)
        if stop is not None:
            stop(reason)
        elif generation_id.startswith("gen_"):  # a gateway that looks whether it may publish names none
            self._unclaimed.append((generation_id, reason))
