"""
P14: whatever goes wrong with an upstream, before or in the middle of an answer, the next one gives it.

Each row of the table in `shared/PROTOCOL.md` is one fault here, in every dialect.
"""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
from aiohttp import ClientSession

from tests.kit import faulty
from tests.kit.chat_client import ChatClient
from tests.kit.faulty import ALONE, LENGTH, WORDS, FaultyServer
from tests.kit.heard import EVERY, Heard
from tests.kit.local import Local
from tests.kit.upstream import FakeUpstream
from worker import producer
from worker.backends.script import Fault

FAULTS = get_args(Fault)
PLACES = (0, LENGTH // 2)
CERTIFICATE = Path(faulty.__file__).with_name("loopback.pem")
#: All models wait in one queue, so that one worker serves so many.
MODEL = """
[models.{name}]
queue = "all"
first_token_timeout_s = 30
between_tokens_timeout_s = 15
can_continue = {continues}
"""


class Case(NamedTuple):
    """A client's dialect, and what befalls the server that answers it."""

    dialect: str
    fault: Fault
    at: int

    @property
    def name(self) -> str:
        """Of its model: none shares a server, for one that is down is so for all."""
        return f"{self.dialect}-{self.fault}-{self.at}"


@pytest.fixture
async def servers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator["Servers"]:
    """Servers with each fault at each place, and one that is well."""
    monkeypatch.setattr(producer, "_BACKOFF_S", 0.01)
    async with AsyncExitStack() as stack:
        servers = Servers(stack)
        servers.well = await stack.enter_async_context(FakeUpstream(length=LENGTH))
        yield servers


class Servers:
    """Opens them, and writes the models.toml of those."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificate.load_cert_chain(CERTIFICATE)
        faulty.trust(str(CERTIFICATE))
        self.well: FakeUpstream
        self.toml = ""
        self.models: list[str] = []

    async def add(self, name: str, fault: Fault, at: int, *, second: bool, continues: bool = True) -> None:
        """A model whose first upstream has *fault*, with a *second* that is well or alone."""
        server = await self._stack.enter_async_context(FaultyServer(fault, at, self._certificate))
        self.toml += MODEL.format(name=name, continues=str(continues).lower())
        # Of the server that is silent alone: of all others so many at once must find none too slow.
        limits = "first_token_timeout_s = 4\nbetween_tokens_timeout_s = 2\n" if fault == "silence" else ""
        for url, its in [(server.url, limits), *([(self.well.url, "")] if second else [])]:
            self.toml += f'[[models.{name}.upstreams]]\nbase_url = "{url}"\n{its}'
        self.models.append(name)

    async def listen(self, local: Local, session: ClientSession, *, second: bool) -> dict[Case, Heard]:
        """What clients of every dialect hear of every fault at each place, asked at once."""
        cases = [Case(*each) for each in itertools.product(EVERY, FAULTS, PLACES)]
        for case in cases:
            await self.add(case.name, case.fault, case.at, second=second)
        # Nor is the worker to be taken for lost, as it would be with a lease of a second.
        await local.start(self.toml, lease_s=10)
        asked = (EVERY[case.dialect](session, local.url, case.name, f"Hello {case.name}") for case in cases)
        return dict(zip(cases, await asyncio.gather(*asked), strict=True))


async def test_with_another_upstream(local: Local, session: ClientSession, servers: Servers) -> None:
    """The answer is whole, each word once, in one stream: the second goes on where the first broke off."""
    heard = await servers.listen(local, session, second=True)
    wrong = {case.name: it for case, it in heard.items() if it.error is not None or it.text != WORDS}
    assert not wrong


async def test_with_none(local: Local, session: ClientSession, servers: Servers) -> None:
    """The answer ends with an error that says what went wrong, after no more than was said."""
    heard = await servers.listen(local, session, second=False)
    codes = {case.name: ALONE[case.fault][PLACES.index(case.at)] for case in heard}
    # The AI SDK has no codes, and Anthropic's clients know others.
    told = {case.name: codes[case.name] if it.error == "error" else it.error for case, it in heard.items()}
    assert told == codes
    assert all(len(it.message) > 10 for it in heard.values())
    assert not {case.name for case, it in heard.items() if not WORDS.startswith(it.text) or it.text == WORDS}


async def test_where_the_next_cannot_go_on(local: Local, session: ClientSession, servers: Servers) -> None:
    """What was said is void by one explicit `reset`, once the next speaks; before the first word by none."""
    for fault, at in itertools.product(FAULTS, PLACES):
        await servers.add(f"{fault}-{at}", fault, at, second=True, continues=False)
    await local.start(servers.toml, lease_s=10)
    chat = ChatClient(session, local.url)
    readers = await asyncio.gather(*(chat.ask(model=name) for name in servers.models))
    for name, reader in zip(servers.models, readers, strict=True):
        types = [frame.type for frame in reader.frames]
        assert (reader.text, reader.end.type) == (WORDS, "end"), name
        assert types.count("reset") == (0 if name.endswith("-0") else 1), name
        assert await told(chat, reader.generation_id) == ((["2"]) if name.endswith("-0") else ["1", "2"])


async def told(chat: ChatClient, generation_id: str) -> Any:
    """The upstreams that the record names."""
    return (await chat.status(generation_id))["upstreams"]
