"""Where a conversation stands in its owner's list."""

from collections.abc import Sequence
from typing import NamedTuple, Self

#: A broker's scores are exact below 2 ** 53.
_MOST_DIGITS = 15


class Place(NamedTuple):
    """A conversation's place in its owner's list, the last used first; as a string `<used_ms>-<id>`."""

    used_ms: int
    id: str

    def __str__(self) -> str:
        return f"{self.used_ms}-{self.id}"

    @classmethod
    def parse(cls, written: str) -> Self:
        """Raises `ValueError` for what is not a place."""
        used_ms, _, conversation_id = written.partition("-")
        if not (used_ms.isascii() and used_ms.isdigit() and len(used_ms) <= _MOST_DIGITS and conversation_id):
            raise ValueError("not a place in a list of conversations")
        return cls(int(used_ms), conversation_id)


def scored(flat: Sequence[bytes]) -> list[Place]:
    """The places that the broker lists as name and score, …"""
    return [Place(int(float(score)), raw.decode()) for raw, score in zip(flat[::2], flat[1::2], strict=True)]
