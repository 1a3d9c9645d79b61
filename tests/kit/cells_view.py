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
from shared.cells import Cells

_TRIES_S = 10.0
_TAG = re.compile(rb"\{c[0-9a-f]+\}:?")


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
                name = _TAG.sub(b"", key, count=1)
                assert key.decode() in self._names(name), f"nobody looks for {key!r} where it is"
                yield name

    def keys(self, match: str = "*") -> list[bytes]:
        """The same, at once."""
        return list(self.scan_iter(match))

    def flushdb(self) -> None:
        """Nothing is left."""
        for client in self._everywhere():
            client.flushdb()

    def delete(self, *names: str | bytes) -> int:
        """How many there were."""
        return self._sum("delete", names)

    def exists(self, *names: str | bytes) -> int:
        """How many there are."""
        return self._sum("exists", names)

    def pttl(self, key: bytes) -> int:
        """-1 if any key of that name would stay for ever."""
        found = [self._ask("pttl", name) for name in self._names(key)]
        return -1 if -1 in found else max(found)

    def __getattr__(self, command: str) -> Any:
        def ask(key: str | bytes, *args: Any, **options: Any) -> Any:
            names = self._names(key)
            if len(names) > 1:
                names = [name for name in names if self._ask("exists", name)]
                assert len(names) == 1, f"{key!r} is in {len(names)} cells"
            return self._ask(command, names[0], *args, **options)

        return ask

    def _sum(self, command: str, names: Iterable[str | bytes]) -> int:
        return sum(self._ask(command, name) for each in names for name in self._names(each))

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

    def _names(self, name: str | bytes) -> list[str]:
        """
        What it is called where it is; the same key of all cells, where its name does not say which. One that
        says its cell is meant as it is.
        """
        raw = name if isinstance(name, bytes) else name.encode()
        key = raw.decode()
        if _TAG.search(raw):
            return [key]
        kind = next(name for name in keys.NAMES.values() if key.startswith(name))
        of = key.removeprefix(kind)
        cell = self._cells.of(kind, of)
        return [cell.key(kind, of) for cell in ([cell] if cell else self._cells)]
