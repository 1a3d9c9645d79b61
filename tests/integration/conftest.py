"""OpenAI's own client, for the shared stack and for others."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.stack import Stack

OpenClient = Callable[..., AsyncOpenAI]


@pytest.fixture
async def open_client() -> AsyncIterator[OpenClient]:
    """Makes clients for a gateway's address, as published but for not trying again by themselves."""
    async with AsyncExitStack() as stack:

        def make(url: str, **options: Any) -> AsyncOpenAI:
            defaults: dict[str, Any] = {"api_key": "none", "max_retries": 0}
            client = AsyncOpenAI(base_url=f"{url}/v1", **defaults | options)
            stack.push_async_exit(client)
            return client

        yield make


@pytest.fixture
def openai(stack: Stack, open_client: OpenClient) -> AsyncOpenAI:
    """A client of the shared stack's first gateway."""
    return open_client(stack.gateways[0].url)
