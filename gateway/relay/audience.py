"""The readers of one generation that are live: an event is encoded once a dialect, however many they are."""

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from gateway.relay.dialect import Dialect, Encoder
from shared.events import Event, Picture
from shared.position import Position


class Reader(Protocol):
    """One of them."""

    dialect: Dialect

    def push(self, frames: bytes, position: Position, event: Event) -> None:
        """The event at *position*, encoded; it may leave because of it."""

    def read_log(self) -> None:
        """It goes on from the log, at its own speed."""


R = TypeVar("R", bound=Reader)


class Audience(Generic[R]):
    """Whoever is told of an event may leave meanwhile."""

    def __init__(self) -> None:
        self._of: dict[Dialect, tuple[Encoder, set[R]]] = {}

    def __iter__(self) -> Iterator[R]:
        """Those that are live now."""
        return iter([reader for _, readers in self._of.values() for reader in readers])

    @property
    def empty(self) -> bool:
        """Nobody is live."""
        return not self._of

    def add(self, reader: R, encoder: Encoder) -> None:
        """*reader* is live from here on; *encoder* has had all before, and serves who comes first."""
        if reader.dialect not in self._of:
            encoder.go_live()
            self._of[reader.dialect] = encoder, set()
        self._of[reader.dialect][1].add(reader)

    def remove(self, reader: R) -> None:
        """*reader* is live no more, if it was."""
        encoder_and_readers = self._of.get(reader.dialect)
        if encoder_and_readers is not None:
            encoder_and_readers[1].discard(reader)
            if not encoder_and_readers[1]:
                del self._of[reader.dialect]

    def push(self, position: Position, event: Event) -> None:
        """Tell all of them."""
        for dialect, (encoder, readers) in list(self._of.items()):
            if dialect.carries_bytes and isinstance(event, Picture):
                # Its bytes have to be read; whoever reads the log waits for them.
                for reader in list(readers):
                    reader.read_log()
                continue
            frames = encoder.encode(position, event)
            for reader in list(readers):
                reader.push(frames, position, event)
