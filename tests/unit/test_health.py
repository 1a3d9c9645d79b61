"""What workers tell each other of their upstreams, and how one that is left alone is tried out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, cast

import pytest

from shared.cells import Cells
from shared.errors import BrokerUnavailable
from shared.failures import FirstTokenTimeout, UpstreamError, UpstreamFailed, UpstreamRejected
from shared.models import Model, Models
from shared.upstream import UpstreamEntry
from worker.health import Health, ask_little
from worker.upstreams import Upstream, Upstreams


class Words:
    """The broker, as far as it keeps their words."""

    def __init__(self) -> None:
        self.cells = Cells(1)
        self.kept: dict[str, bytes] = {}
        self.for_ms: list[int] = []
        #: Done while it answers.
        self.meanwhile: Callable[[], None] = lambda: None
        self.is_away = False

    async def call(self, name: str, cell: Any, *command: Any) -> Any:
        """`SET key word PX ms [NX]`."""
        if self.is_away:
            raise BrokerUnavailable
        _, key, word, _, for_ms, *nx = command
        if nx and key in self.kept:
            return None
        self.kept[key] = word
        self.for_ms.append(for_ms)
        return b"OK"

    async def pipe(self, name: str, cell: Any, commands: Sequence[Sequence[Any]]) -> list[bytes | None]:
        """Many `GET`."""
        said = [self.kept.get(key) for _, key in commands]
        self.meanwhile()
        await asyncio.sleep(0)
        return said


class Server:
    """Answers a question as it is told."""

    def __init__(self, answer: Callable[[], Awaitable[None]]) -> None:
        self.asked = 0
        self._answer = answer

    async def stream(self, prompt: Any, take: Any = None) -> AsyncIterator[Sequence[Any]]:
        """The answer."""
        self.asked += 1
        await self._answer()
        yield ["Hi"]


async def well() -> None:
    """An answer."""


def opened(answer: Callable[[], Awaitable[None]] = well) -> tuple[Upstreams, Upstream, Server]:
    """A model of two, the first of which is such a server."""
    entries = [UpstreamEntry(), UpstreamEntry()]
    model = Model(backend="scripted", cool_down_s=60, first_token_timeout_s=0.05, upstreams=entries)
    upstreams, server = Upstreams(Models({"m": model})), Server(answer)
    first = upstreams.of("m")[0]
    first.backend = cast(Any, server)
    return upstreams, first, server


async def test_one_worker_tries_it_out_and_tells_the_others() -> None:
    """Once its cool-down is over; both have it back then."""
    words = Words()
    workers = [opened(), opened()]
    healths = [Health(cast(Any, words), upstreams) for upstreams, _, _ in workers]
    for _, first, _ in workers:
        first.breaker.open("upstream_failed", 0)
    for health in healths:
        health._was_closed = dict.fromkeys(health._shared, False)
    await asyncio.gather(*(health._look() for health in healths))
    await asyncio.gather(*(task for health in healths for task in health._trying))
    for health in healths:
        await health._look()
    assert sorted(server.asked for _, _, server in workers) == [0, 1]
    assert all(first.breaker.closed for _, first, _ in workers)


@pytest.mark.parametrize("is_away", [False, True])
async def test_what_is_found_out_is_told(is_away: bool) -> None:
    """Also what is found out during a look, or while the broker is away; for as long as it is left alone."""
    words = Words()
    upstreams, first, _ = opened()
    health = Health(cast(Any, words), upstreams)
    if is_away:
        first.breaker.open("upstream_failed")
        words.is_away = True
    else:
        words.meanwhile = lambda: first.breaker.open("upstream_failed")
    await health._look()
    words.is_away, words.meanwhile = False, lambda: None
    await health._look()
    await health._look()
    assert list(words.kept.values()) == [b"upstream_failed"]
    assert [50_000 < for_ms <= 60_000 for for_ms in words.for_ms] == [True]


async def test_a_cool_down_is_not_overslept() -> None:
    """The next look is when it is over, or else soon."""
    upstreams, first, _ = opened()
    health = Health(cast(Any, Words()), upstreams)
    usual = health._pause_s()
    assert usual == 0.5
    first.breaker.open("upstream_failed", 0.2)
    assert 0 < health._pause_s() < 0.3
    first.breaker.open("upstream_failed", 60)
    assert health._pause_s() == usual


async def silent() -> None:
    """No answer."""
    await asyncio.get_running_loop().create_future()


def failing(error: UpstreamError) -> Callable[[], Awaitable[None]]:
    """Answers with *error*."""

    async def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (well, None),
        (silent, FirstTokenTimeout),
        (failing(UpstreamFailed("Down.")), UpstreamFailed),
        (failing(UpstreamRejected("Too short.")), None),
    ],
)
async def test_who_is_well(answer: Callable[[], Awaitable[None]], error: type[UpstreamError] | None) -> None:
    """Who answers, and who only will not have our question."""
    _, first, _ = opened(answer)
    if error is None:
        await ask_little(first)
    else:
        with pytest.raises(error):
            await ask_little(first)
