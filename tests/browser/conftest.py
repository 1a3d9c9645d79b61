"""A running `headrace up` and a browser for all tests of this process, and visitors for each of them."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, ClientTimeout, web
from playwright.async_api import Browser, async_playwright, expect

from deploy.page import node, page
from tests.browser import chromium, figures
from tests.browser.chat_page import ChatPage
from tests.browser.devices import Device, Devices
from tests.browser.visitor import Visitor
from tests.e2e.system import System
from tests.kit.chat_client import ChatClient
from tests.kit.program import free_port

RESULTS = Path(__file__).parents[2] / "test-results"
_FOLDER = Path(__file__).parent
_HEARTBEAT_S = 1
_OUTCOME = pytest.StashKey[bool]()

#: All tabs of a device are one process, which has the page's scripts compiled. Without this each visit to the
#: gateway begins a new one, and that is a third of all work.
_ONE_PROCESS = "--process-per-site"

#: How long what is expected may take where nothing sooner is promised: other tests run beside these.
expect.set_options(timeout=10_000)

Arrive = Callable[..., Awaitable[Visitor]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all: the browser lives in it."""
    for item in items:
        if item.path.is_relative_to(_FOLDER) and asyncio.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Remembers for the fixtures whether the test has failed."""
    report = yield
    if report.when == "call":
        item.stash[_OUTCOME] = report.failed
    return report


@pytest.fixture(scope="session")
def built_page() -> None:
    """The page as its sources are now."""
    try:
        page.build(print)
    except page.Unsafe as known:
        print(known)
    except node.NodeFailed as failed:
        raise AssertionError(str(failed)) from failed


@pytest.fixture(scope="session")
def app_port() -> int:
    """Of an application of somebody else, which may call from `127.0.0.1` and from no other name."""
    return free_port()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app_server(app_port: int) -> AsyncIterator[dict[str, Path]]:
    """What is served there: a folder for the first part of an address, and that of '' for all others."""
    folders: dict[str, Path] = {}

    async def serve(request: web.Request) -> web.StreamResponse:
        name, _, rest = request.path.removeprefix("/").partition("/")
        folder, path = (
            (folders[name], rest) if name in folders else (folders[""], f"{name}/{rest}".strip("/"))
        )
        return web.FileResponse(folder / (path or "index.html"))

    served = web.Application()
    served.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(served)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", app_port).start()
    yield folders
    await runner.cleanup()


@pytest.fixture
def tutorial(app_server: dict[str, Path], app_port: int) -> str:
    """A front end that knows nothing but the tutorial's wire, at an origin of its own; `?server=` is ours."""
    app_server["tutorial"] = Path(__file__).parent
    return f"http://127.0.0.1:{app_port}/tutorial/tutorial.html"


@pytest.fixture(scope="session")
def shared_system(built_page: None, app_port: int) -> Iterator[System]:
    """Started once for all tests of this process: two gateways, two workers."""
    system = System()
    try:
        allowed = f"http://127.0.0.1:{app_port}"
        system.start(
            workers=2,
            further_models=figures.model(figures.TOKENS + 2 * figures.RATE),
            heartbeat_s=_HEARTBEAT_S,
            cors_origins=allowed,
            hosts="headrace.test",
        )
        yield system
    finally:
        system.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Without a window."""
    executable = chromium.executable()
    assert executable is not None, "no Chromium: python -m tests.browser.chromium"
    async with async_playwright() as playwright:
        arguments = [*chromium.arguments(), _ONE_PROCESS]
        browser = await playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def devices(browser: Browser) -> Devices:
    """Those that visitors come with."""
    return Devices(browser)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def http() -> AsyncIterator[ClientSession]:
    """For what a test asks the API itself."""
    async with ClientSession(timeout=ClientTimeout(total=30)) as http:
        yield http


@pytest_asyncio.fixture(loop_scope="session")
async def system(shared_system: System, http: ClientSession) -> AsyncIterator[System]:
    """After the test all its generations must have come to their one end; nothing of it is left."""
    yield shared_system
    await shared_system.settle(http)


@pytest.fixture
def api(system: System, http: ClientSession) -> ChatClient:
    """The native API, at the first gateway."""
    return ChatClient(http, system.url)


@pytest_asyncio.fixture(loop_scope="session")
async def arrive(request: pytest.FixtureRequest, system: System, devices: Devices) -> AsyncIterator[Arrive]:
    """
    Gives visitors: `devices.new` has the options. None may have seen an error that the test did not expect;
    of a failed test `test-results/` shows what they saw.
    """
    arrived: list[tuple[Visitor, Device]] = []

    async def arrive(url: str = "", **options: Any) -> Visitor:
        device = await devices.take(**options)
        visitor = Visitor(device.context, url or system.url, device.tab)
        arrived.append((visitor, device))
        return visitor

    yield arrive
    complaints = [complaint for visitor, _ in arrived for complaint in visitor.complaints]
    has_failed = bool(complaints) or request.node.stash.get(_OUTCOME, True)
    name = re.sub(r"\W+", "-", request.node.name)
    for number, (visitor, device) in enumerate(arrived):
        if has_failed:
            await visitor.leave(RESULTS / f"{name}-{number}")
        else:
            visitor.forget()
            await devices.give_back(device, visitor.asked)
    assert not complaints, complaints


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(arrive: Arrive) -> Visitor:
    """One, with a screen of 1280 by 720."""
    return await arrive()


@pytest_asyncio.fixture(loop_scope="session")
async def chat(visitor: Visitor) -> ChatPage:
    """The page, opened by one visitor."""
    return await visitor.open()
