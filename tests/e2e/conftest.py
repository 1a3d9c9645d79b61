"""A running `headrace up` that tests share, and the clients that drive it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import ClientSession
from openai import AsyncOpenAI

from tests.conftest import OpenClient
from tests.e2e.system import System
from tests.kit.chat_client import ChatClient


@pytest.fixture(scope="session")
def shared_system() -> Iterator[System]:
    """Started once for all tests of this process."""
    system = System()
    try:
        system.start()
        yield system
    finally:
        system.stop()


@pytest.fixture
async def system(shared_system: System, session: ClientSession) -> AsyncIterator[System]:
    """After the test all its generations must have come to their one end."""
    yield shared_system
    await shared_system.settle(session)


@pytest.fixture
def url(system: System) -> str:
    """The first gateway's address."""
    return system.url


@pytest.fixture
def chat(url: str, session: ClientSession) -> ChatClient:
    """A client of the native API, at the first gateway."""
    return ChatClient(session, url)


@pytest.fixture
def openai(url: str, open_client: OpenClient) -> AsyncOpenAI:
    """OpenAI's client, at the first gateway."""
    return open_client(url)


@pytest.fixture
async def anthropic(url: str) -> AsyncIterator[Any]:
    """Anthropic's client, at the first gateway, as published, but it tries nothing again, speaks no TLS."""
    # Here, for its import takes a second, and each process of the tests collects this folder.
    from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

    plain = DefaultAsyncHttpxClient(verify=False)
    async with AsyncAnthropic(base_url=url, api_key="none", max_retries=0, http_client=plain) as client:
        yield client
