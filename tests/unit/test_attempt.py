"""What one attempt counts, what it is billed, and how long it waits between its tries."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from shared.cells import Cells
from shared.errors import BrokerUnavailable
from shared.event_log import Entry
from shared.events import End, Reasoning, Text, Usage, encode
from shared.failures import (
    FirstTokenTimeout,
    UpstreamBroke,
    UpstreamCutShort,
    UpstreamError,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRejected,
)
from shared.messages import CutReply
from shared.outcome import Outcome
from shared.position import Position
from worker import attempt
from worker import producer as producer_module
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


@pytest.mark.parametrize(
    ("reported", "continued", "used"),
    [
        (Usage(9, 3, 12), 0, Usage(9, 3, 12)),
        (Usage(9, 3, 12), 4, Usage(5, 7, 12, estimated=True)),
        (Usage(0, 3, 3, estimated=True), 0, Usage(5, 3, 8, estimated=True)),
        (Usage(9, 0, 9, estimated=True), 0, Usage(9, 6, 15, estimated=True)),
        (None, 0, Usage(5, 6, 11, estimated=True)),
    ],
)
def test_what_a_reply_has_used(reported: Usage | None, continued: int, used: Usage) -> None:
    """What its reader got: of the upstream's count, what it has not counted by ours."""
    outcome = Outcome()
    outcome.add(Text(1, "a", 6))
    finished = Finished(finish_reason="stop", usage=reported)
    producer: Any = SimpleNamespace(
        _finished=finished, _continued_tokens=continued, _prompt_tokens=5, outcome=outcome
    )
    assert Producer.usage(producer) == used


def test_what_a_continued_reply_begins_with() -> None:
    """The text and the reasoning of what it continues, each once."""
    reply = CutReply(generation_id="gen_1", text="a", reasoning="b")
    for written, given in (([], ["b", "a"]), ([Reasoning(1, "b", given=True)], ["a"])):
        outcome, put = Outcome(), list[Any]()
        for event in written:
            outcome.add(event)
        producer: Any = SimpleNamespace(
            outcome=outcome,
            _request=SimpleNamespace(continued=reply),
            _put=lambda writer, event, put=put: put.append(event),
        )
        Producer._give(producer, cast(Any, None))
        assert [event.text for event in put] == given
        assert all(event.given for event in put)


async def test_while_the_broker_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log, and a prompt, are read again until they can be: nothing less is gone on with."""
    tries: list[str] = []

    async def pages(generation_id: str) -> AsyncIterator[list[Entry]]:
        tries.append("log")
        yield [Entry(Position(1, 0), encode(Text(1, "a")))]
        if len(tries) == 1:
            raise BrokerUnavailable

    async def prompt_of(*_: Any) -> Prompt:
        tries.append("prompt")
        if len(tries) == 3:
            raise BrokerUnavailable
        return Prompt(messages=[])

    monkeypatch.setattr(attempt, "_BROKER_RETRY_S", 0)
    monkeypatch.setattr(producer_module, "_BACKOFF_S", 0)
    monkeypatch.setattr(producer_module, "prompt_of", prompt_of)
    went_on: list[Outcome] = []
    begun: Any = SimpleNamespace(
        _claim=SimpleNamespace(log_length=1),
        _generation=SimpleNamespace(id="gen_1"),
        _tools=SimpleNamespace(log=SimpleNamespace(pages=pages)),
        _producer=SimpleNamespace(outcome=Outcome(), go_on=went_on.append),
    )
    assert len(await attempt.Attempt._read_log(begun)) == 1
    assert [outcome.text for outcome in went_on] == ["a"]
    producing: Any = SimpleNamespace(
        _request=SimpleNamespace(continued=None),
        _goes_on=lambda upstream: False,
        _running=SimpleNamespace(claim=SimpleNamespace(record={})),
        _take_over=lambda tokens: None,
        _generation=None,
        _tools=None,
    )
    nothing: Any = None
    assert await Producer._prompt(producing, nothing, "") == Prompt(messages=[])
    assert tries == ["log", "log", "prompt", "prompt"]


async def test_what_is_handed_back() -> None:
    """All that was made of it is in its log first: whoever takes it goes on from there."""
    done: list[str] = []

    async def did(what: str) -> None:
        done.append(what)

    handed: Any = SimpleNamespace(
        _tools=SimpleNamespace(
            settings=SimpleNamespace(lease_s=3), queue=SimpleNamespace(release=lambda claim: did("released"))
        ),
        _running=SimpleNamespace(writer=SimpleNamespace(durable=lambda: did("written"))),
        _claim=None,
    )
    await attempt.Attempt._hand_back(handed)
    assert done == ["written", "released"]
