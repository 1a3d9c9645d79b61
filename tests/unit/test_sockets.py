"""Connections that cost money notice within 30 s that the other side has vanished."""

import asyncio
import socket
import sys
from typing import Any

import pytest
from aiohttp import ClientSession
from yarl import URL

from shared.append_line import append_line
from shared.broker import Broker
from shared.cluster import ONLY
from shared.settings import Settings
from shared.sockets import SILENCE_S
from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import script
from tests.kit.eventually import eventually
from tests.kit.link import Link
from tests.kit.local import Local
from tests.kit.upstream import FakeUpstream
from worker.backends.connections import Connections, cut

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux calls them")


def notices_within_s(connection: socket.socket) -> int:
    """The longer of both: with something under way, and without."""
    value = connection.getsockopt
    assert value(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    tcp = socket.IPPROTO_TCP
    asked_s = value(tcp, socket.TCP_KEEPINTVL) * value(tcp, socket.TCP_KEEPCNT)
    return max(value(tcp, socket.TCP_USER_TIMEOUT) // 1000, value(tcp, socket.TCP_KEEPIDLE) + asked_s)


async def test_an_upstreams() -> None:
    """One whose answer is awaited."""
    async with FakeUpstream(rate=20) as upstream:
        connections = Connections(URL(upstream.url), {})
        response = await connections.ask(b'{"stream": true}')
        transport: Any = response.connection and response.connection.transport
        assert notices_within_s(transport.get_extra_info("socket")) == SILENCE_S
        cut(response)
        await connections.close()


async def test_a_brokers(broker: EmbeddedBroker) -> None:
    """Subscribed, pooled, or for appends; a unix socket has no network to lose."""
    with Link(broker.socket) as link:
        there = Broker(Settings(redis_url=f"redis://127.0.0.1:{link.port}/1"))
        subscriber: Any = there.connection()
        await subscriber.connect()
        pooled: Any = await there.at(*there.cells).connection_pool.get_connection()
        async with append_line(there, ONLY) as line:
            appending: Any = line._connection
            for connection in (subscriber, pooled, appending):
                opened = connection._writer.get_extra_info("socket")
                assert notices_within_s(opened) == SILENCE_S
        await subscriber.disconnect()
        await there.close()
    here = Broker(Settings(redis_url=broker.url(1)))
    assert await here.at(*here.cells).ping()
    await here.close()


@pytest.mark.parametrize("whole", [False, True])
async def test_a_readers(local: Local, session: ClientSession, whole: bool) -> None:
    """One that reads a stream, or waits for a whole answer."""
    await local.start()
    body = {"model": "scripted", "messages": [{"role": "user", "content": script(stall_after=1)}]}
    asked = asyncio.create_task(
        session.post(local.url + "/v1/chat/completions", json={**body, "stream": not whole})
    )
    await eventually(lambda: local.state.relay.open_streams == 1, "it is read")
    (reader,) = local.connections
    assert notices_within_s(reader.get_extra_info("socket")) == SILENCE_S
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    await session.close()
