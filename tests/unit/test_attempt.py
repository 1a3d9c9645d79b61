"""What one attempt counts, what it is billed, and how long it waits between its tries."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from shared.cells import Cells
from shared.events import End, Usage
from shared.failures import (
    FirstTokenTimeout,
    UpstreamBroke,
    UpstreamCutShort,
    UpstreamError,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRejected,
)
from worker.asking import Asking
from worker.attempt import _count
from worker.backends import Finished, Prompt
from worker.leased_worker import LeasedWorker
from worker.producer import Producer


def test_tokens_are_counted_by_their_kind() -> None:
    """Each by itself: some of a prompt are cached, some of an answer reasoning."""
    usage = Usage(10, 20, 30, cached_tokens=3, reasoning_tokens=4)
    running: Any = SimpleNamespace(elapsed_s=1.0)
    _count("counted", running, End(ts=1, finish_reason="stop", usage=usage))
    kinds = {"prompt": 10, "completion": 20, "cached": 3, "reasoning": 4}
    for kind, count in kinds.items():
        labels = {"model": "counted", "kind": kind}
        assert REGISTRY.get_sample_value("headrace_tokens_total", labels) == count


def pauses(error: UpstreamError, *, rounds: int = 1, begun: bool = False) -> list[float | None]:
    """Those of many replies that meet *error* in the same moment."""
    producer: Any = SimpleNamespace(outcome=SimpleNamespace(begun=begun))
    return [Producer._pause_after(producer, error, rounds) for _ in range(50)]


@pytest.mark.parametrize(
    ("error", "rounds", "least", "most"),
    [
        (UpstreamFailed(), 1, 0, 0.5),
        (UpstreamFailed(), 2, 0, 1),
        (UpstreamRateLimited(retry_after_s=2), 1, 2, 2.25),
        (UpstreamRateLimited(retry_after_s=20), 1, 20, 20.25),
    ],
)
def test_a_pause(error: UpstreamError, rounds: int, least: float, most: float) -> None:
    """All come back spread over it, and none before the server has said."""
    waits = [wait for wait in pauses(error, rounds=rounds) if wait is not None]
    assert len(waits) == 50
    assert least <= min(waits) < least + (most - least) / 4
    assert most >= max(waits) > most - (most - least) / 4


@pytest.mark.parametrize(
    ("error", "rounds", "begun"),
    [
        (UpstreamFailed(), 3, False),
        (UpstreamFailed(), 1, True),
        (UpstreamCutShort(), 1, True),
        (UpstreamRejected(), 1, False),
        (FirstTokenTimeout(), 1, False),
        (UpstreamRateLimited(retry_after_s=20.1), 1, False),
    ],
)
def test_no_pause(error: UpstreamError, rounds: int, begun: bool) -> None:
    """What is not asked again."""
    assert set(pauses(error, rounds=rounds, begun=begun)) == {None}


def test_the_pause_of_a_round() -> None:
    """The shortest that any of them asks for, where there is time left for it."""
    producer: Any = SimpleNamespace(outcome=SimpleNamespace(begun=False))
    producer._pause_after = lambda error, rounds: Producer._pause_after(producer, error, rounds)
    errors = [(None, UpstreamRateLimited(retry_after_s=wait_s)) for wait_s in (9, 3, 50)]
    for left_s, waits in ((60, True), (3.5, True), (3, False)):
        choosing: Any = SimpleNamespace(failures=errors, left_s=left_s)
        pause_s = Producer._pause_s(producer, choosing, 1)
        assert (pause_s is not None and 3 <= pause_s < 3.5) is waits
    assert pauses(UpstreamBroke(), begun=True)[0] is not None


@pytest.mark.parametrize(
    ("reported", "billed"),
    [
        (Usage(5, 6, 11), Usage(5, 6, 11)),
        (None, Usage(2, 7, 9, estimated=True)),
        (Usage(5, 0, 5, estimated=True), Usage(5, 7, 12, estimated=True)),
        (Usage(0, 6, 6, estimated=True), Usage(2, 6, 8, estimated=True)),
    ],
)
def test_what_a_request_is_billed(reported: Usage | None, billed: Usage) -> None:
    """What its upstream counted, completed by us: of the answer, what it has written itself."""
    nothing: Any = None
    asking = Asking(
        cast(Any, SimpleNamespace(entry="m")),
        Prompt(messages=[{"role": "user", "content": "x"}]),
        nothing,
        patience_s=1,
        begins=nothing,
        put=nothing,
        store=nothing,
        spent=lambda: 10,
    )
    assert asking.billed is None, "it has said nothing"
    asking.spoke, asking._spent_before, asking.prompt_tokens = True, 3, 2
    asking.finished = Finished(finish_reason="stop", usage=reported)
    assert asking.billed == billed


def test_a_broken_key_is_said_once() -> None:
    """Until it is repaired, and breaks again."""
    worker = object.__new__(LeasedWorker)
    worker._broken = {}
    [cell] = Cells(1)
    with capture_logs() as said:
        for broken in (["a"], ["a", "b"], ["b"], ["a"]):
            worker._say_broken(cell, broken)
    assert [line["generation"] for line in said] == ["a", "b", "a"]
