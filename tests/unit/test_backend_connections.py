"""The OpenAI-compatible backend: connections are kept where that is safe, and cut where nobody wants more."""

import asyncio
import time
from typing import Any

import pytest

from shared.failures import UpstreamBroke
from shared.models import Model
from tests.kit.backend import TEN_WORDS, bare_server, prompt, read, read_until_error, script, text_of
from tests.kit.upstream import FakeUpstream
from worker.backends.openai_compatible import OpenAICompatible


@pytest.mark.parametrize(
    "behaviour", [{"never_answer": True}, {"stall_after": 0}, {"stall_after": 2}, {"rate": 100}]
)
async def test_cancelling_is_seen_by_the_upstream_at_once(
    backend: OpenAICompatible, upstream: FakeUpstream, behaviour: dict[str, Any]
) -> None:
    """Whatever it was doing, it learns within milliseconds that nobody wants the answer."""
    reading = asyncio.create_task(read(backend, script(**behaviour, length=1000)))
    await upstream.until(lambda: bool(upstream.requests))
    cancelled = time.time()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await upstream.until(lambda: upstream.requests[0].disconnected is not None)
    assert upstream.requests[0].disconnected is not None
    assert upstream.requests[0].disconnected - cancelled < 0.05


async def test_closing_the_iterator_is_seen_by_the_upstream_at_once(
    backend: OpenAICompatible, upstream: FakeUpstream
) -> None:
    """A reader that stops in mid-answer leaves nothing running."""
    stream = backend.stream(script(rate=100, length=1000))
    await anext(stream)
    closed = time.time()
    await stream.aclose()
    await upstream.until(lambda: upstream.requests[0].disconnected is not None)
    assert upstream.requests[0].disconnected is not None
    assert upstream.requests[0].disconnected - closed < 0.05


async def test_a_whole_answer_leaves_its_connection_for_the_next(
    backend: OpenAICompatible, upstream: FakeUpstream
) -> None:
    """A new TLS handshake for each reply would cost more than the first token."""
    for _ in range(3):
        await read(backend, prompt())
    assert len({seen.client_port for seen in upstream.requests}) == 1


async def test_a_kept_connection_that_was_closed_meanwhile_costs_nothing(
    backend: OpenAICompatible, upstream: FakeUpstream
) -> None:
    """A server may close a kept connection just as it is used again; a new one is taken at once."""
    closing = script(close_unannounced=True)
    for _ in range(3):
        assert text_of(await read(backend, closing)) == TEN_WORDS
    assert len(upstream.requests) == 5


async def test_a_new_connection_that_is_closed_is_a_broken_answer() -> None:
    """Only a kept connection is given the benefit of the doubt."""
    async with bare_server([]) as base_url:
        backend = OpenAICompatible(Model(base_url=base_url), "m")
        _, error = await read_until_error(backend, prompt())
        await backend.close()
    assert type(error) is UpstreamBroke
