"""
How many streams at once each system carries: the largest number whose delays stay short and of which nothing
is lost.

Every system searches for its own number, and all take turns, so that a machine whose speed drifts is the
same for all.
"""

from collections.abc import Callable, Mapping

from tests.bench.figures import Run
from tests.bench.search import Search
from tests.bench.targets import Target
from tests.bench.workload import Workload, measure

MOST_DELAY_MS = 50.0


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
