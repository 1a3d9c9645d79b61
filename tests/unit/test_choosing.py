"""Whom one reply asks, for how long, and what is said of those that have failed."""

from typing import Any

import pytest

from shared.failures import UpstreamFailed
from shared.generation import Request
from shared.messages import CutReply
from shared.models import Model, Models
from shared.upstream import UpstreamEntry
from worker.choosing import Choosing
from worker.upstreams import Upstreams


def choosing(request: Request | None = None, **fields: Any) -> Choosing:
    """Among two scripted upstreams."""
    model = Model(backend="scripted", upstreams=[UpstreamEntry(), UpstreamEntry()], **fields)
    return Choosing(Upstreams(Models({"m": model})), "m", model, request or Request())


async def test_who_has_spoken_leaves_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """P14: the next begins in mid-reply, and may take as long for its first token as any."""
    now = 0.0
    monkeypatch.setattr(Choosing, "_now", lambda _: now)
    chosen = choosing(first_token_timeout_s=60)
    for spoke, left_s in ((False, 1), (True, 60)):
        upstream = chosen._pick()
        assert upstream is not None
        now = 59.0
        chosen.failed(upstream, UpstreamFailed(), spoke=spoke)
        assert chosen.left_s == left_s


async def test_the_first_that_is_there_again() -> None:
    """A client is told to come back by then."""
    chosen = choosing()
    for wait_s in (5.0, 60.0, None):
        upstream = chosen._pick() or chosen._every[1]
        chosen.failed(upstream, UpstreamFailed(retry_after_s=wait_s), spoke=False)
    assert chosen.why().retry_after_s == 5


@pytest.mark.parametrize("can", [True, False])
async def test_who_can_go_on(can: bool) -> None:
    """A reply that was cut is given to those alone that go on from a text."""
    chosen = choosing(Request(continued=CutReply(generation_id="gen_x", text="One two")), can_continue=can)
    assert (chosen._pick() is not None) == can
    assert can or "can go on" in chosen.why().message
