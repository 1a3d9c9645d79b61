"""Whom one reply asks next, how long that one may take to begin, and what is said once nobody is left."""

from typing import Any

import pytest

from shared.failures import UpstreamFailed, UpstreamRateLimited
from shared.generation import Request
from shared.messages import CutReply
from shared.models import Model, Models
from shared.upstream import UpstreamEntry
from worker.choosing import Choosing
from worker.upstreams import Upstream, Upstreams


class Timed(Choosing):
    """Its clock is the test's."""

    now = 0.0

    def _now(self) -> float:
        return self.now

    def asked(self) -> str:
        """Who is asked next; '' for nobody."""
        upstream = self._pick()
        return "" if upstream is None else upstream.name


def choosing(*entries: dict[str, Any], **request: Any) -> tuple[Timed, list[Upstream]]:
    """For a request to a model of these, whose first word may take nine seconds."""
    upstreams = [UpstreamEntry(**entry) for entry in entries]
    model = Model(backend="scripted", first_token_timeout_s=9, upstreams=upstreams)
    opened = Upstreams(Models({"m": model}))
    return Timed(opened, "m", model, Request(**request)), list(opened.of("m"))


async def test_each_has_its_share_of_the_time() -> None:
    """Of what is left, with those that may follow; once one has spoken it begins anew."""
    chosen, each = choosing({}, {}, {}, {})
    each[3].breaker.open("upstream_failed")
    shares = []
    for _ in range(3):
        chosen.asked()
        shares.append(chosen.patience_s(each[0]))
        chosen.now += 2
        chosen.failed(each[0], UpstreamFailed("Down."), spoke=False)
    assert shares == [3, 3.5, 5]
    chosen.failed(each[0], UpstreamFailed("Down."), spoke=True)
    assert chosen.left_s == 9


async def test_a_round_forgets_the_one_before() -> None:
    """Each is asked once a round; all that failed in it are named once, and the shortest wait is told."""
    chosen, each = choosing({}, {})
    for waits in ([None, 7.0], [5.0, 6.0]):
        chosen.begin_round()
        assert [chosen.asked() for _ in range(3)] == ["1", "2", ""]
        for upstream, wait_s in zip(each, waits, strict=True):
            chosen.failed(upstream, UpstreamRateLimited("Busy.", retry_after_s=wait_s), spoke=False)
    why = chosen.why()
    assert why.message == "No server of the model could answer. 1: Busy. 2: Busy."
    assert why.retry_after_s == 5


async def test_who_is_left_alone_is_asked_only_where_nobody_else_is() -> None:
    """And never beside another."""
    chosen, each = choosing({}, {})
    each[1].breaker.open("upstream_failed")
    assert chosen.asked() == "1"
    assert chosen.beside() is None


@pytest.mark.parametrize(
    ("request_", "asked"),
    [
        ({"needs": ["pictures"]}, "2"),
        ({"continued": CutReply(generation_id="gen_1", text="Once")}, "3"),
        ({}, "1"),
    ],
)
async def test_who_takes_it(request_: dict[str, Any], asked: str) -> None:
    """All that the request has; where a reply is continued, only who can go on from a text."""
    entries: list[dict[str, Any]] = [
        {"takes": frozenset()},
        {"takes": frozenset({"pictures"})},
        {"can_continue": True, "takes": frozenset()},
    ]
    chosen, _ = choosing(*entries, **request_)
    assert chosen.asked() == asked
    nobody, _ = choosing(*entries, **request_ | {"needs": ["sounds"]})
    assert nobody.asked() == ""
