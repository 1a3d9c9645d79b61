"""How far a speech has come, as its log tells: what the next attempt goes on from."""

from shared.events import Audio, Event, Reset
from shared.outcome import Outcome


class Spoken(Outcome):
    """A speech's events added up."""

    def __init__(self) -> None:
        super().__init__()
        #: Bytes of sound, and of the last sentence those that came before its end.
        self.size = self.partial = 0
        self.carry: list[int] = []
        #: Up to which character of the text all is spoken, and which of its versions that is of.
        self.end = self.resets = 0

    def add(self, event: Event | None) -> None:
        """Take one more event into account."""
        super().add(event)
        match event:
            case Audio():
                self.size = event.at + event.size
                self.partial += event.size
                if event.last:
                    self.end, self.partial, self.carry = event.end, 0, event.carry
                self._spoke(event.ts)
            case Reset(told_again=told_again):
                # What was half said is void with the rest.
                self.end = self.partial = 0
                # The reply's log knows no version of it in which the lost words stand.
                self.resets += not told_again
