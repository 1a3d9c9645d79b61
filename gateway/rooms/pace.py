"""How fast a room may be written into at one gateway: by each member, and by all together."""

import time
from collections import deque

from shared.errors import TooBusy

_WITHIN_S = 10.0
_OF_ONE, _OF_ALL = 20, 200


class Pace:
    """Counts messages of the last ten seconds."""

    def __init__(self) -> None:
        self._all: deque[float] = deque(maxlen=_OF_ALL)
        self._of: dict[str, deque[float]] = {}

    def take(self, user_id: str) -> None:
        """*user_id* says something now. Raises `TooBusy` where that is too much."""
        now = time.monotonic()
        if user_id not in self._of and len(self._of) >= _OF_ALL:
            self._of = {
                name: times for name, times in self._of.items() if times and now - times[-1] < _WITHIN_S
            }
        mine = self._of.setdefault(user_id, deque(maxlen=_OF_ONE))
        for times, whose in ((mine, "You write"), (self._all, "All here write")):
            if len(times) == times.maxlen and now - times[0] < _WITHIN_S:
                wait_s = max(0.1, _WITHIN_S - (now - times[0]))
                raise TooBusy(f"{whose} faster than a room takes it.", retry_after_s=wait_s)
        mine.append(now)
        self._all.append(now)
