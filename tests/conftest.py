"""The broker, stacks of processes, stacks inside the test, and what must hold after every test."""

import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector
from hypothesis import HealthCheck, settings
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from tests.kit import distribution, invariants
from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import ChatClient
from tests.kit.cluster import Clusters
from tests.kit.distribution import Distribution
from tests.kit.local import Local
from tests.kit.sentinels import Sentinels
from tests.kit.stack import Stack

_SHARED, _LOCAL, _OWN = 0, 1, 2
#: Fixtures that need an event loop, if for a test that has none of its own.
_ASYNC = {"local", "own_stack", "session", "stack"}
BROKERS: dict[str, type[EmbeddedBroker]] = {
    "single": EmbeddedBroker,
    "sentinel": Sentinels,
    "cluster": Clusters,
}

# What is imported and collected stays to the end, so that nobody need look through it for garbage.
gc.disable()

# How long an example takes tells of the machine: beside other tests it may wait for its turn.
settings.register_profile("headrace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("headrace")


def pytest_configure(config: pytest.Config) -> None:
    """Settings of the machine must not reach the tests, nor that it runs them where Ctrl-C is ignored."""
    config.addinivalue_line("markers", "long: a fault that takes its time; `make chaos` runs it")
    config.addinivalue_line("markers", "one_cell: looks at what is so with one cell alone")
    config.addinivalue_line("markers", "timing: asserts a duration that the project promises")
    for name in [name for name in os.environ if name.startswith("HEADRACE_")]:
        del os.environ[name]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Promises hold whatever the broker is: `--broker cluster` asks for them there."""
    parser.addoption("--broker", choices=sorted(BROKERS), default="single", help="what tests run against")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Distribution:
    """Of `-n`."""
    return Distribution(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What looks at one cell's inside has nothing to say of others."""
    distribution.in_order(items)
    if config.getoption("--broker") == "cluster":
        for item in items:
            if "one_cell" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="looks at what is so with one cell alone"))


def pytest_collection_finish() -> None:
    """From here on garbage is looked for, in what is made from here on."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[EmbeddedBroker]:
    """One broker for all tests; each stack has a database of its own."""
    broker = BROKERS[request.config.getoption("--broker")]()
    broker.start()
    yield broker
    broker.remove()


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> None:
    """After every test that has an event loop; to make one for each of the others is dear."""
    if "asyncio" in request.keywords or _ASYNC & {*request.fixturenames}:
        request.getfixturevalue("no_task_is_left")


@pytest.fixture
async def no_task_is_left() -> AsyncIterator[None]:
    """After the test no task of ours is left."""
    yield
    assert not (tasks := invariants.unfinished_tasks()), tasks


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    """An HTTP client without a limit on connections."""
    async with ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=60)) as session:
        yield session


OpenClient = Callable[..., AsyncOpenAI]


@pytest.fixture
async def open_client() -> AsyncIterator[OpenClient]:
    """
    Makes OpenAI's client for a gateway's address, as published but for not trying again by itself, and for
    TLS, which nobody speaks here: to read the machine's certificates takes 30 ms for each client.
    """
    async with AsyncExitStack() as stack:

        def make(url: str, **options: Any) -> AsyncOpenAI:
            plain = DefaultAsyncHttpxClient(verify=False)
            defaults: dict[str, Any] = {"api_key": "none", "max_retries": 0, "http_client": plain}
            client = AsyncOpenAI(base_url=f"{url}/v1", **defaults | options)
            stack.push_async_exit(client)
            return client

        yield make


@pytest.fixture(scope="session")
def shared_stack(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two gateways and two workers for all tests that break none of them."""
    stack = Stack(broker, tmp_path_factory.mktemp("stack"), database=_SHARED, upstream=True)
    try:
        stack.start(gateways=2, workers=2)
        yield stack
    finally:
        stack.stop()


@pytest.fixture
async def stack(shared_stack: Stack) -> AsyncIterator[Stack]:
    """The shared stack; after the test all its generations must have come to their one end."""
    yield shared_stack
    await shared_stack.settle()


@pytest.fixture
def chat(stack: Stack, session: ClientSession) -> ChatClient:
    """A client of the shared stack's first gateway."""
    return ChatClient(session, stack.gateways[0].url)


@pytest.fixture
def elsewhere(stack: Stack, session: ClientSession) -> ChatClient:
    """A client of the shared stack's second gateway."""
    return ChatClient(session, stack.gateways[1].url)


StartStack = Callable[..., Awaitable[Stack]]


@pytest.fixture
async def own_stack(broker: EmbeddedBroker, tmp_path: Path) -> AsyncIterator[StartStack]:
    """Starts a stack that the test may break; after the test it must have settled by itself."""
    stacks: list[Stack] = []

    async def start(gateways: int = 1, workers: int = 1, **options: Any) -> Stack:
        directory = tmp_path / str(len(stacks))
        directory.mkdir()
        stack = Stack(options.pop("broker", broker), directory, database=_OWN + len(stacks), **options)
        stacks.append(stack)
        await stack.begin(gateways, workers)
        return stack

    yield start
    try:
        for stack in stacks:
            await stack.settle(timeout_s=15)
    finally:
        for stack in stacks:
            stack.stop()


@pytest.fixture
async def local(broker: EmbeddedBroker, tmp_path: Path) -> AsyncIterator[Local]:
    """A gateway and a worker inside the test, once `start` is called."""
    local = Local(broker, _LOCAL, tmp_path)
    yield local
    await local.close()
    assert not (wrong := invariants.badly_ended(local.redis)), wrong
    assert not (eternal := invariants.keys_without_ttl(local.redis)), eternal
    local.redis.flushdb()
