"""When an upstream is left alone, and when it is asked again."""

import pytest

from shared.failures import (
    ContextLengthExceeded,
    InsufficientQuota,
    UpstreamError,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnauthorized,
)
from worker.breaker import Breaker, is_of_the_request

COOL_DOWN_S = 10.0


class Clock:
    """Time that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """At some moment."""
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    """Of an upstream that nobody has asked."""
    return Breaker(COOL_DOWN_S, clock, lambda _: None)


def outcomes(breaker: Breaker, clock: Clock, said: str, every_s: float = 0) -> None:
    """`+` for an answer, `-` for a failure."""
    for outcome in said:
        if outcome == "+":
            breaker.succeeded(clock.now)
        else:
            breaker.failed(UpstreamFailed())
        clock.now += every_s


def due_after(breaker: Breaker, clock: Clock, seconds: float) -> bool:
    """Whether it is to be tried out then."""
    clock.now += seconds
    return breaker.due


@pytest.mark.parametrize(
    ("said", "closed"),
    [
        ("--", True),
        ("---", False),
        ("++++---", True),
        ("+++---", False),
        ("-+-+-", False),
    ],
)
def test_what_opens_it(breaker: Breaker, clock: Clock, said: str, closed: bool) -> None:
    """Three failures, if they are half of what was asked lately."""
    outcomes(breaker, clock, said)
    assert breaker.closed is closed


def test_what_is_long_past(breaker: Breaker, clock: Clock) -> None:
    """A failure in an hour is none of a server that is down."""
    outcomes(breaker, clock, "------", every_s=20)
    assert breaker.closed


@pytest.mark.parametrize(
    ("error", "for_s"),
    [
        (UpstreamRateLimited(retry_after_s=3), 3),
        (UpstreamFailed(retry_after_s=40), 40),
        (UpstreamFailed(retry_after_s=86400), 300),
        (UpstreamUnauthorized(), COOL_DOWN_S),
        (InsufficientQuota(), COOL_DOWN_S),
    ],
)
def test_one_is_enough(breaker: Breaker, clock: Clock, error: UpstreamError, for_s: float) -> None:
    """A server that says when, or that does not take our key, is believed."""
    breaker.failed(error)
    assert due_after(breaker, clock, for_s - 0.1) is False
    assert not breaker.closed
    assert due_after(breaker, clock, 0.1) is True


def test_it_is_tried_out_once(breaker: Breaker, clock: Clock) -> None:
    """Half open it waits for what becomes of that; then it is closed, or open for as long again."""
    outcomes(breaker, clock, "---")
    clock.now += COOL_DOWN_S
    breaker.half_open = True
    assert due_after(breaker, clock, 0) is False
    breaker.open("upstream_failed")
    assert due_after(breaker, clock, COOL_DOWN_S - 0.1) is False
    assert due_after(breaker, clock, 0.1) is True
    breaker.close()
    outcomes(breaker, clock, "--")
    assert breaker.until is None, "what was before is forgotten"


def test_an_answer_from_before(breaker: Breaker, clock: Clock) -> None:
    """One that was begun before it opened says nothing of now; one that was asked since does."""
    asked_at = clock.now
    clock.now += 1
    outcomes(breaker, clock, "---")
    breaker.succeeded(asked_at)
    assert not breaker.closed
    breaker.succeeded(clock.now)
    assert breaker.closed


@pytest.mark.parametrize(
    ("error", "status", "whose"),
    [
        (UpstreamRejected(), 400, True),
        (UpstreamRejected(), 422, True),
        (UpstreamRejected(), None, True),
        (ContextLengthExceeded(), 400, True),
        (UpstreamRejected(), 404, False),
        (UpstreamRejected(), 501, False),
        (UpstreamRejected(), 301, False),
        (UpstreamUnauthorized(), 403, False),
        (UpstreamFailed(), 500, False),
    ],
)
def test_whose_fault(error: UpstreamError, status: int | None, whose: bool) -> None:
    """What is wrong with a request is so for every server; what a server lacks, another may have."""
    error.upstream_status = status
    assert is_of_the_request(error) is whose
