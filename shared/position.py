"""An event's place in its log, and its id on the wire."""

import re
from typing import NamedTuple, Self

_WIRE = re.compile(r"(0|[1-9]\d{0,8})-(0|[1-9]\d{0,17})", re.ASCII)


class Position(NamedTuple):
    """
    `<attempt>-<seq>`: ordered as a tuple, dense in *seq* from 0 within an attempt.

    It is at once the Redis stream id, the SSE `id:` and the value of `Last-Event-ID`.
    """

    attempt: int
    seq: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1-57`. Raises `ValueError` on anything else, leading zeros included."""
        match = _WIRE.fullmatch(text)
        if match is None:
            raise ValueError(f"a position looks like 1-57, not {text[:40]!r}")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, entry_id: bytes) -> Self:
        """Read an id that Redis gave us, unchecked."""
        attempt, _, seq = entry_id.partition(b"-")
        return cls(int(attempt), int(seq))

    def next(self) -> "Position":
        """The position right after this one in the same attempt."""
        return Position(self.attempt, self.seq + 1)

    def follows(self, other: "Position") -> bool:
        """Whether this is `other.next()`."""
        return self[1] == other[1] + 1 and self[0] == other[0]

    def __str__(self) -> str:
        return f"{self.attempt}-{self.seq}"


#: Before the first event: `1-0` follows it, and reading after it gives the whole log.
ORIGIN = Position(1, -1)
