"""
What is in cells, as a test of one broker looks at it: under the names it would have if there were only
one cell.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from redis.crc import key_slot
from redis.exceptions import RedisError

from shared import keys
from shared.cells import Cell, Cells

_TRIES_S = 10.0
_TAG = re.compile(rb"\{c[0-9a-f]+\}:?")
_OF_CONVERSATION = (keys.CONVERSATION, keys.MESSAGES, keys.NEXT)


class CellsView:
    """*at* gives the client of whichever primary has a slot; *everywhere* those of all primaries."""

    def __init__(
        self, cells: Cells, at: Callable[[int], Any], everywhere: Callable[[], Iterable[Any]]
    ) -> None:
        self._cells = cells
        self._at = at
        self._everywhere = everywhere

    def scan_iter(self, match: str = "*", count: int = 1000) -> Iterator[bytes]:
        """All keys of that kind."""
        kind = keys.tagged(match, "{c*}") if match.startswith("hr:") else match
        for client in self._everywhere():
            for key in client.scan_iter(match=kind, count=count):
                yield _TAG.sub(b"", key, count=1)

    def keys(self, match: str = "*") -> list[bytes]:
        """The same, at once."""
        return list(self.scan_iter(match))

    def flushdb(self) -> None:
        """Nothing is left."""
        for client in self._everywhere():
            client.flushdb()

    def pttl(self, key: bytes) -> int:
        """-1 if any key of that name would stay for ever."""
        found = [self._ask("pttl", name) for name in self._names(key)]
        return -1 if -1 in found else max(found)

    def __getattr__(self, command: str) -> Any:
        def ask(key: str | bytes, *args: Any, **options: Any) -> Any:
            name, *others = self._names(key.encode() if isinstance(key, str) else key)
            assert not others, f"{key!r} is in every cell"
            return self._ask(command, name, *args, **options)

        return ask

    def _ask(self, command: str, key: str, *args: Any, **options: Any) -> Any:
        """Through a failover, if there is one."""
        until = time.monotonic() + _TRIES_S
        while True:
            try:
                return getattr(self._at(key_slot(key.encode())), command)(key, *args, **options)
            except (RedisError, StopIteration):
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def _names(self, raw: bytes) -> list[str]:
        """
        What it is called where it is; the same key of all cells, if it is no one generation's or
        conversation's. One that says its cell is meant as it is.
        """
        key = raw.decode()
        if _TAG.search(raw):
            return [key]
        kind = next(name for name in keys.NAMES.values() if key.startswith(name))
        of = key.removeprefix(kind)
        return [cell.key(kind, of) for cell in self._of(kind, of)]

    def _of(self, kind: str, of: str) -> Iterable[Cell]:
        if kind in {keys.RECORD, keys.LOG, keys.LIVE, keys.JOB}:
            return [self._cells.of_generation(of)]
        if kind in _OF_CONVERSATION:
            owner, _, conversation = of.partition(":")
            return [self._cells.of_conversation(owner, conversation)]
        return self._cells
