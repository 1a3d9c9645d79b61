"""
The upstreams of every model: which of them is asked next, and what their health is.

Healthy ones before those that cool down, lower orders before higher, the least loaded for its weight of one
order; among equals in turn, by weight. A model's only upstream is always asked: there is no other.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog

from shared import metrics
from shared.failures import UpstreamError
from shared.models import WILDCARD, Model, Models
from shared.upstream import Place
from worker.backends import Backend
from worker.backends.choice import open_backend
from worker.backends.redaction import for_log
from worker.breaker import Breaker, is_of_the_request

logger = structlog.get_logger("worker.upstreams")


class AllBusy(Exception):
    """Those that could be asked have as many requests under way as they may."""


class Upstream:
    """One server behind a model, as this process sees it."""

    def __init__(self, entry: str, model: Model, place: Place, backend: Backend, *, alone: bool) -> None:
        """*model* as this upstream has it; *entry* is its name in models.toml."""
        self.entry = entry
        self.model = model
        self.place = place
        self.backend = backend
        #: A model's only one.
        self.alone = alone
        self.breaker = Breaker(model.cool_down_s, asyncio.get_running_loop().time, self._changed)
        #: Requests under way.
        self.under_way = 0
        #: How far it is ahead or in arrears, where equals take turns.
        self.credit = 0.0
        #: Which names it serves, where it was heard; else any.
        self.listed: frozenset[str] | None = None
        #: What was last asked for by a name that is not its own.
        self.last_asked = ""
        #: Names the server alike in every process, and gives nothing away.
        whole = "\n".join(
            (model.base_url, model.upstream_model or entry, model.api_key_env or "", place.name)
        )
        self.key = hashlib.sha256(whole.encode()).hexdigest()[:16]
        metrics.know_upstream(entry, place.name)

    @property
    def name(self) -> str:
        """What logs, metrics and records call it."""
        return self.place.name

    @property
    def has_room(self) -> bool:
        """Whether one more request may be under way."""
        return self.place.concurrency is None or self.under_way < self.place.concurrency

    @property
    def load(self) -> float:
        """Requests under way for its weight."""
        return self.under_way / self.place.weight

    def failed(self, error: UpstreamError) -> None:
        """A request has failed there."""
        metrics.upstream_requests.labels(self.entry, self.name, error.code).inc()
        if not self.alone and not is_of_the_request(error):
            self.breaker.failed(error)

    def succeeded(self, asked_at: float) -> None:
        """A request of that moment has been answered whole."""
        metrics.upstream_requests.labels(self.entry, self.name, "ok").inc()
        if not self.alone:
            self.breaker.succeeded(asked_at)

    def closed(self) -> None:
        """We have closed a request before its end."""
        metrics.upstream_requests.labels(self.entry, self.name, "closed").inc()

    def _changed(self, breaker: Breaker) -> None:
        metrics.upstream_open.labels(self.entry, self.name).set(not breaker.closed)
        facts = {"model": self.entry, "upstream": self.name, "at": for_log(self.model.base_url)}
        if breaker.closed:
            logger.info("an upstream is well again", **facts)
        else:
            logger.warning("an upstream is left alone for now", code=breaker.why, **facts)


class Hold:
    """A request's place at an upstream."""

    def __init__(self, upstream: Upstream, ended: Callable[[], None]) -> None:
        self.upstream = upstream
        self._ended: Callable[[], None] | None = ended
        upstream.under_way += 1

    def release(self) -> None:
        """The request has ended. Once is enough."""
        if self._ended is not None:
            self.upstream.under_way -= 1
            self._ended()
            self._ended = None


class Upstreams:
    """All of a worker process."""

    def __init__(self, models: Models) -> None:
        """Raises `ValueError` for what cannot be used."""
        self._models = models
        self._by_entry = {name: _upstreams(name, model) for name, model in models.by_name.items()}
        #: Set once the next request ends, of whichever upstream.
        self.next_to_end = asyncio.Event()

    def __iter__(self) -> Iterator[Upstream]:
        for upstreams in self._by_entry.values():
            yield from upstreams

    @property
    def wild(self) -> Sequence[Upstream]:
        """Those of the wildcard; none where there is none."""
        return self._by_entry.get(WILDCARD, [])

    def entry_of(self, model: str) -> str:
        """The entry of models.toml that serves a model."""
        return self._models.entry_of(model)

    def serving(self, name: str) -> tuple[Sequence[Upstream], str]:
        """
        Who serves a *name* that passes through, and under which name: those that list it, else all; of
        `<upstream>/<name>` that upstream alone.
        """
        every = self._by_entry[WILDCARD]
        if listing := [upstream for upstream in every if upstream.listed and name in upstream.listed]:
            return listing, name
        head, _, rest = name.partition("/")
        if rest and (named := [upstream for upstream in every if upstream.name == head]):
            return named, rest
        return every, name

    def of(self, model: str) -> Sequence[Upstream]:
        """All of those behind a model."""
        return self._by_entry[self.entry_of(model)]

    def pick(self, among: Iterable[Upstream]) -> Upstream | None:
        """
        The one of *among* to ask now; None where there is none. Raises `AllBusy` where it must be waited for
        one.
        """
        waiting = False
        every = list(among)
        for healthy in (True, False):
            able = [upstream for upstream in every if upstream.breaker.closed is healthy]
            free = [upstream for upstream in able if upstream.has_room]
            if free and healthy:
                return _in_turn(free)
            if free and not waiting:
                return min(free, key=lambda upstream: upstream.breaker.until or 0)
            waiting = waiting or bool(able)
        if waiting:
            raise AllBusy
        return None

    def hold(self, upstream: Upstream) -> Hold:
        """*upstream* has one request more under way, until that is released."""
        return Hold(upstream, self._ended)

    def _ended(self) -> None:
        self.next_to_end.set()
        self.next_to_end = asyncio.Event()

    async def close(self) -> None:
        """Close all connections."""
        for upstream in self:
            await upstream.backend.close()


def _upstreams(name: str, model: Model) -> list[Upstream]:
    places = model.places
    return [
        Upstream(name, at, place, open_backend(at, name), alone=len(places) == 1)
        for at, place in ((model.at(number), place) for number, place in enumerate(places))
    ]


def _in_turn(free: list[Upstream]) -> Upstream:
    """The least loaded of the lowest order; of several, each as often as its weight says."""
    order = min(upstream.place.order for upstream in free)
    first = [upstream for upstream in free if upstream.place.order == order]
    load = min(upstream.load for upstream in first)
    equal = [upstream for upstream in first if upstream.load == load]
    if len(equal) == 1:
        return equal[0]
    for upstream in equal:
        upstream.credit += upstream.place.weight
    chosen = max(equal, key=lambda upstream: upstream.credit)
    chosen.credit -= sum(upstream.place.weight for upstream in equal)
    return chosen
