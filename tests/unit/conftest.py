"""A backend, and the upstream behind it."""

from collections.abc import AsyncIterator

import pytest

from shared.models import Model
from tests.kit.upstream import FakeUpstream
from worker.backends.openai_compatible import OpenAICompatible


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    """A server that does as each request says."""
    async with FakeUpstream() as server:
        yield server


@pytest.fixture
async def backend(upstream: FakeUpstream) -> AsyncIterator[OpenAICompatible]:
    """The backend of a model at that server."""
    opened = OpenAICompatible(Model(base_url=upstream.url), "our-name")
    yield opened
    await opened.close()
