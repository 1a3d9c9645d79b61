"""
Whether an upstream is worth asking, by what became of its last requests.

Closed: it is asked. Open: it is left alone until its cool-down is over. Half open: it is being tried out with
a question of our own, so that no reader's first word waits for it.
"""

from collections import deque
from collections.abc import Callable

from shared.failures import (
    InsufficientQuota,
    UpstreamError,
    UpstreamRejected,
    UpstreamUnauthorized,
)

#: Of the last so many outcomes, no older than this, half and at least three must have failed.
_OUTCOMES = 10
_WITHIN_S = 30.0
_MIN_FAILURES = 3
#: A server that asks for a longer rest is tried out all the same.
_MAX_COOL_DOWN_S = 300.0
#: Statuses that tell of the request, not of the server.
_OF_THE_REQUEST = frozenset({None, 400, 413, 415, 422})


def is_of_the_request(error: UpstreamError) -> bool:
    """Whether any other server would refuse just the same."""
    return isinstance(error, UpstreamRejected) and error.upstream_status in _OF_THE_REQUEST


class Breaker:
    """One upstream's. *changed* hears whenever it opens or closes; *clock* is the event loop's."""

    def __init__(
        self, cool_down_s: float, clock: Callable[[], float], changed: Callable[["Breaker"], None]
    ) -> None:
        self._cool_down_s = cool_down_s
        self._clock = clock
        self._changed = changed
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=_OUTCOMES)
        self._opened_at = 0.0
        #: Until when it is left alone; None while it is closed.
        self.until: float | None = None
        #: Being tried out.
        self.half_open = False
        #: The code of what opened it.
        self.why = ""

    @property
    def closed(self) -> bool:
        """Whether it may be asked like any other."""
        return self.until is None

    @property
    def due(self) -> bool:
        """Whether its cool-down is over, and nobody tries it out yet."""
        return self.until is not None and not self.half_open and self._clock() >= self.until

    def succeeded(self, asked_at: float) -> None:
        """It has answered a request of that moment."""
        self._outcomes.append((self._clock(), True))
        if self.until is not None and asked_at >= self._opened_at:
            self.close()

    def failed(self, error: UpstreamError) -> None:
        """It has failed a request."""
        now = self._clock()
        if isinstance(error, UpstreamUnauthorized | InsufficientQuota):
            self.open(error.code)
        elif error.retry_after_s:
            self.open(error.code, min(error.retry_after_s, _MAX_COOL_DOWN_S))
        else:
            self._outcomes.append((now, False))
            recent = [ok for at, ok in self._outcomes if at >= now - _WITHIN_S]
            failures = recent.count(False)
            if failures >= _MIN_FAILURES and 2 * failures >= len(recent):
                self.open(error.code)

    def open(self, why: str, for_s: float | None = None) -> None:
        """Leave it alone for *for_s*, or its cool-down."""
        was_closed = self.closed
        self._opened_at = self._clock()
        self.until = self._opened_at + (self._cool_down_s if for_s is None else for_s)
        self.half_open, self.why = False, why
        if was_closed:
            self._changed(self)

    def close(self) -> None:
        """It is well."""
        self._outcomes.clear()
        self.half_open, self.why = False, ""
        if self.until is not None:
            self.until = None
            self._changed(self)
