"""
How many streams at once each system carries: the largest number whose delays stay short and of which nothing
is lost.

Every system searches for its own number, and all take turns, so that a machine whose speed drifts is the
same for all.
"""

from collections.abc import Callable, Mapping

from tests.bench.figures import Run
from tests.bench.targets import Target
from tests.bench.workload import Workload, measure

MOST_DELAY_MS = 50.0
_FIRST = 100
#: Beyond this the load client is what is measured.
_MOST = 6400
#: The search ends once it is this close, as a share of what it has found.
_CLOSE = 0.1


class Search:
    """Doubles what is tried until it fails, then halves the gap. A failure may be chance: it is repeated."""

    def __init__(self, first: int = _FIRST, most: int = _MOST) -> None:
        #: The largest that was carried.
        self.carried = 0
        #: What to try next; None at the end.
        self.next: int | None = first
        self._most = most
        self._failed: int | None = None
        self._again = True

    def tell(self, carried: bool) -> None:
        """Whether `next` was carried."""
        assert self.next is not None
        if not carried and self._again:
            self._again = False
            return
        self._again = True
        if carried:
            self.carried = self.next
        else:
            self._failed = self.next
        if self._failed is None:
            self.next = self.carried * 2 if self.carried * 2 <= self._most else None
        elif self._failed - self.carried <= max(1, _CLOSE * self._failed):
            self.next = None
        else:
            self.next = (self.carried + self._failed) // 2


async def find(
    contenders: Mapping[str, Target], upstream: Target, load: Workload, say: Callable[[str], None]
) -> dict[str, int]:
    """The number of each."""
    searches = {name: Search() for name in contenders}
    while searching := [name for name, search in searches.items() if search.next is not None]:
        for name in searching:
            search = searches[name]
            assert search.next is not None
            run = await measure(name, contenders[name], upstream, load, search.next)
            search.tell(is_carried(run))
            say(f"{name}, {run.streams} streams: delay p99 {run.delay_ms.p99:.0f} ms, {run.lost} lost")
    return {name: search.carried for name, search in searches.items()}


def is_carried(run: Run) -> bool:
    """Whether that many streams are no burden yet."""
    return not run.lost and not run.failed_streams and run.delay_ms.p99 <= MOST_DELAY_MS
