"""The worker's own connection for appends: every failure is told, and nothing is written twice."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from shared import keys
from shared.append_line import AppendLine, append_line
from shared.broker import Broker
from shared.cluster import ONLY
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.event_log import Appended, Batch, Entry
from shared.position import Position
from shared.settings import Settings
from tests.kit.broker import EmbeddedBroker

BATCH = Batch("g", "1:a", 0, [Entry(Position(1, 0), b"{}"), Entry(Position(1, 1), b"{}")])


@pytest.fixture
async def ours(broker: EmbeddedBroker) -> AsyncIterator[Broker]:
    """A broker that has one running generation."""
    database = broker.client(2)
    database.flushdb()
    database.hset(keys.RECORD + "g", mapping={"lease": "1:a", "state": "running"})
    opened = Broker(Settings(redis_url=broker.url(2)))
    yield opened
    await opened.close()
    database.flushdb()


async def appended(line: AppendLine, *batches: Batch) -> list[Appended] | BrokerRefused:
    """What the broker answers."""
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    line.append(batches, answer.set_result)
    async with asyncio.timeout(5):
        return await answer  # type: ignore[no-any-return]


async def test_the_same_again(ours: Broker, broker: EmbeddedBroker) -> None:
    """An append may be repeated; a script that the broker has forgotten is told it again."""
    async with append_line(ours, ONLY) as line:
        for _ in range(2):
            broker.client(2).script_flush()
            assert await appended(line, BATCH, BATCH) == [Appended("ok", 2)] * 2
    assert broker.client(2).xlen(keys.LOG + "g") == 2


async def test_one_that_the_broker_refuses(ours: Broker, broker: EmbeddedBroker) -> None:
    """It is told so, and the line is good for the next."""
    broker.client(2).set(keys.LOG + "bad", "a string", px=60_000)
    broker.client(2).hset(keys.RECORD + "bad", mapping={"lease": "1:a", "state": "running"})
    async with append_line(ours, ONLY) as line:
        assert isinstance(await appended(line, BATCH._replace(generation_id="bad")), BrokerRefused)
        assert await appended(line, BATCH) == [Appended("ok", 2)]


@pytest.mark.parametrize("under_way", [False, True])
async def test_a_connection_that_breaks(ours: Broker, broker: EmbeddedBroker, under_way: bool) -> None:
    """Who holds the line learns of it, also while nothing is under way; what was, is not answered."""
    async with append_line(ours, ONLY) as line:
        if under_way:
            line.append([BATCH], lambda _: pytest.fail("answered"))
            line.connection_lost(None)
        else:
            broker.client(0).client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(BrokerUnavailable):
            async with asyncio.timeout(5):
                await line.lost()


async def test_a_broker_that_says_nothing(
    ours: Broker, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An append that takes too long has failed."""
    monkeypatch.setattr("shared.append_line.COMMAND_TIMEOUT_S", 0.05)
    async with append_line(ours, ONLY) as line:
        broker.client(2).client_pause(300, all=False)
        answered: list[Any] = []
        line.append([BATCH], answered.append)
        with pytest.raises(BrokerUnavailable):
            async with asyncio.timeout(2):
                await line.lost()
        broker.client(2).client_unpause()
        assert not answered


async def test_no_broker_at_all() -> None:
    """It is told as what may pass."""
    nowhere = Broker(Settings(redis_url="unix:///nowhere.sock"))
    with pytest.raises(BrokerUnavailable):
        async with append_line(nowhere, ONLY):
            pass
    await nowhere.close()


@asynccontextmanager
async def over_tls(target: Path, folder: Path) -> AsyncIterator[int]:
    """The port of a server that takes TLS off, and carries the rest to the unix socket *target*."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    command = "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=localhost"
    command = f"{command} -keyout {key} -out {certificate}"
    await asyncio.to_thread(subprocess.run, command.split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_unix_connection(target)
        await asyncio.gather(carry(reader, there[1]), carry(there[0], writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
async def test_over_tls(ours: Broker, broker: EmbeddedBroker, tmp_path: Path) -> None:
    """The connection is redis-py's, with all that its address says; what is larger than a record passes."""
    entries = [Entry(Position(1, i), b'"%s"' % (b"x" * 5000)) for i in range(200)]
    async with over_tls(broker.socket, tmp_path) as port:
        there = Broker(Settings(redis_url=f"rediss://127.0.0.1:{port}/2?ssl_cert_reqs=none"))
        async with append_line(there, ONLY) as line:
            assert await appended(line, BATCH._replace(entries=entries)) == [Appended("ok", 200)]
            assert await appended(line, BATCH._replace(entries=entries)) == [Appended("ok", 200)]
        await there.close()
    assert broker.client(2).xlen(keys.LOG + "g") == 200
