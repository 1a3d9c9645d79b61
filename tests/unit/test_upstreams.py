"""Which of a model's upstreams is asked."""

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.failures import UpstreamFailed, UpstreamRefused, UpstreamRejected
from shared.models import Model, Models
from shared.upstream import UpstreamEntry
from worker import listing
from worker.listing import Listing
from worker.upstreams import AllBusy, Upstream, Upstreams


def opened(*entries: dict[str, Any]) -> tuple[Upstreams, list[Upstream]]:
    """A model of scripted upstreams."""
    model = Model(backend="scripted", upstreams=[UpstreamEntry(**entry) for entry in entries])
    upstreams = Upstreams(Models({"m": model}))
    return upstreams, list(upstreams.of("m"))


def picked(upstreams: Upstreams, among: list[Upstream], times: int, *, kept: bool = False) -> dict[str, int]:
    """How often each was picked, of so many requests: one after another, or all at once."""
    names: Counter[str] = Counter()
    for _ in range(times):
        upstream = upstreams.pick(among)
        assert upstream is not None
        names[upstream.name] += 1
        hold = upstreams.hold(upstream)
        if not kept:
            hold.release()
    return dict(names)


async def test_in_order() -> None:
    """Without weights the first is asked, as long as it is well."""
    upstreams, each = opened({}, {}, {})
    assert picked(upstreams, each, 5) == {"1": 5}
    each[0].breaker.open("upstream_failed")
    assert picked(upstreams, each, 5) == {"2": 5}
    each[1].breaker.open("upstream_failed")
    assert picked(upstreams, each[:2], 2) == {"1": 2}, "all are down: the one whose cool-down ends first"
    assert upstreams.pick([]) is None


@pytest.mark.parametrize("kept", [False, True])
async def test_by_weight(kept: bool) -> None:
    """Each has its share, one after another as well as all at once."""
    upstreams, each = opened({"weight": 3}, {"weight": 1}, {"order": 1})
    assert picked(upstreams, each, 40, kept=kept) == {"1": 30, "2": 10}


async def test_least_loaded_among_equals() -> None:
    """Whoever has fewer requests under way gets the next."""
    upstreams, each = opened({"order": 0}, {"order": 0})
    busy = [upstreams.hold(each[0]) for _ in range(3)]
    assert picked(upstreams, each, 3, kept=True) == {"2": 3}
    for hold in busy:
        hold.release()
    assert picked(upstreams, each, 3, kept=True) == {"1": 3}


async def test_concurrency() -> None:
    """One that is full passes on to the next; where all are, it must be waited for a place."""
    upstreams, each = opened({"concurrency": 2}, {"concurrency": 1})
    holds = [upstreams.hold(each[0]), upstreams.hold(each[0])]
    assert upstreams.pick(each) is each[1]
    holds.append(upstreams.hold(each[1]))
    freed = upstreams.next_to_end
    with pytest.raises(AllBusy):
        upstreams.pick(each)
    holds[0].release()
    holds[0].release()
    assert freed.is_set()
    assert each[0].under_way == 1
    assert upstreams.pick(each) is each[0]
    each[0].breaker.open("upstream_failed")
    with pytest.raises(AllBusy):
        upstreams.pick(each)


async def test_what_is_held_against_it() -> None:
    """Nothing that is wrong with a request; and of a model's only upstream nothing at all."""
    [alone], [one, _] = opened({})[1], opened({}, {})[1]
    for _ in range(5):
        one.failed(UpstreamRejected())
        alone.failed(UpstreamFailed())
    assert one.breaker.closed and alone.breaker.closed
    for _ in range(5):
        one.failed(UpstreamFailed())
    assert not one.breaker.closed


async def test_names_that_pass_through() -> None:
    """A name goes to those that list it, else to all; with an upstream's name before it to that one."""
    model = Model(backend="scripted", upstreams=[UpstreamEntry(name="a"), UpstreamEntry(name="b")])
    upstreams = Upstreams(Models({"*": model}))
    a, b = upstreams.wild
    assert upstreams.serving("x") == ([a, b], "x")
    a.listed, b.listed = frozenset({"x", "z/y"}), frozenset({"y", "z/y"})
    assert upstreams.serving("x") == ([a], "x")
    assert upstreams.serving("z/y") == ([a, b], "z/y")
    assert upstreams.serving("b/z/y") == ([b], "z/y")
    assert upstreams.serving("new") == ([a, b], "new")


async def test_what_servers_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be asked is asked again soon, and what it has listed stands meanwhile."""
    told: list[Any] = []
    pauses: list[float] = []
    answers: list[Any] = [["b", "a"], UpstreamRefused(), ["c"]]

    async def models() -> list[str]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        names: list[str] = answer
        return names

    async def write(broker: Any, listed: Any) -> None:
        told.append(listed)

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if not answers:
            raise asyncio.CancelledError

    upstream = SimpleNamespace(
        name="1", model=Model(base_url="http://x"), backend=SimpleNamespace(models=models), listed=None
    )
    monkeypatch.setattr(listing, "write", write)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    every: Any = SimpleNamespace(wild=[upstream])
    with pytest.raises(asyncio.CancelledError):
        await Listing(cast(Any, None), every).run()
    assert told == [{"1": ["a", "b"]}, {"1": ["a", "b"]}, {"1": ["c"]}]
    assert pauses == [60, 5, 60]
