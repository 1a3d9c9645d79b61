"""Whom one reply asks next, how long that one may take to begin, and what to say once nobody is left."""

import asyncio

from shared.failures import UpstreamError, UpstreamRateLimited, UpstreamRejected
from shared.generation import Request
from shared.models import WILDCARD, Model
from shared.upstream import needs_of, no_upstream
from worker.backends.redaction import for_clients
from worker.breaker import is_of_the_request
from worker.running import Running
from worker.upstreams import AllBusy, Upstream, Upstreams

_BUSY = "Every server of the model has as many requests under way as it may."


class Choosing:
    """One reply's. Each upstream is asked once a round, within the reply's own limit for its first token."""

    def __init__(self, upstreams: Upstreams, name: str, model: Model, request: Request) -> None:
        self._upstreams = upstreams
        self._name = name
        self._budget_s = model.first_token_timeout_s
        every = upstreams.of(name)
        self._needs: frozenset[str] = frozenset()
        if len(every) > 1:
            needs = needs_of(request.messages, request.parameters, model.accepts)
            self._needs = needs | frozenset(request.needs)
        #: What the upstream is asked for, where that is the client's word and no entry's.
        self.asked_for = ""
        if upstreams.entry_of(name) == WILDCARD:
            every, self.asked_for = upstreams.serving(name)
        self._every = every
        self._able = [
            upstream
            for upstream in every
            if self._needs <= upstream.place.takes
            and (request.continued is None or upstream.model.can_continue)
        ]
        self._tried: list[Upstream] = []
        #: Of this round.
        self.failures: list[tuple[Upstream, UpstreamError]] = []
        self._until = self._now() + self._budget_s

    @property
    def left_s(self) -> float:
        """What is left of the time for the first token."""
        return self._until - self._now()

    async def next(self, running: Running) -> Upstream | None:
        """The upstream to ask now; None where this round has no other. Raises `UpstreamError`."""
        while True:
            freed = self._upstreams.next_to_end
            try:
                return self._pick()
            except AllBusy:
                if self.left_s <= 0:
                    raise UpstreamRateLimited(_BUSY) from None
                await running.interruptible(asyncio.create_task(self._ended(freed)))

    def beside(self) -> Upstream | None:
        """One to ask at the same time as the last; None where there is none, or it has no room."""
        try:
            upstream = self._pick()
        except AllBusy:
            return None
        if upstream is not None and not upstream.breaker.closed:
            return None
        return upstream

    def patience_s(self, upstream: Upstream) -> float:
        """How long *upstream* may take to begin: its share of what is left, for those that may follow it."""
        after = sum(1 for other in self._able if other not in self._tried and other.breaker.closed)
        return max(0.0, min(upstream.model.first_token_timeout_s, self.left_s / (1 + after)))

    def failed(self, upstream: Upstream, error: UpstreamError, *, spoke: bool) -> None:
        """*upstream* did. Where it *spoke*, the time for a first token begins anew."""
        self.failures.append((upstream, error))
        if spoke:
            self._until = self._now() + self._budget_s

    def begin_round(self) -> None:
        """All of them may be asked once more."""
        self._tried.clear()
        self.failures.clear()

    def why(self) -> UpstreamError:
        """Why nobody has served it, in one line."""
        if not self.failures:
            lacks = no_upstream(self._name, [upstream.place for upstream in self._every], self._needs)
            return UpstreamRejected(lacks or "No server of the model can go on from a text.")
        last = self.failures[-1][1]
        if len({upstream.name for upstream, _ in self.failures}) == 1:
            return last
        each = [f"{upstream.name}: {for_clients(error.message)}" for upstream, error in self.failures]
        error = type(last)(f"No server of the model could answer. {' '.join(each)}")
        waits = [error.retry_after_s for _, error in self.failures if error.retry_after_s is not None]
        error.retry_after_s = min(waits, default=None)
        error.upstream_reason, error.upstream_status = last.upstream_reason, last.upstream_status
        error.said = " ".join(f"{upstream.name}: {e.said or e.message}" for upstream, e in self.failures)
        return error

    def _pick(self) -> Upstream | None:
        if any(is_of_the_request(error) for _, error in self.failures):
            return None
        if self._tried and self.left_s <= 0:
            return None
        upstream = self._upstreams.pick(it for it in self._able if it not in self._tried)
        if upstream is not None:
            self._tried.append(upstream)
        return upstream

    async def _ended(self, one: asyncio.Event) -> None:
        try:
            async with asyncio.timeout_at(self._until):
                await one.wait()
        except TimeoutError:
            return

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
