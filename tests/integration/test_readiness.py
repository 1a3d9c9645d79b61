"""`/readyz`: ready means that a message would be taken; else it says why not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.kit import debian
from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.link import Link
from tests.kit.local import Local
from tests.kit.program import free_port

#: As the run book has it.
_SMALLEST = (
    "~hr:* ~arq:job:* &hr:* -@all +@read +@write +@connection +@transaction +@scripting +@pubsub "
    "+wait +time -@admin -@dangerous"
)


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found holds for a tenth of the time that it usually does, and refused channels too."""
    monkeypatch.setattr("shared.readiness._HOLDS_S", 0.1)
    monkeypatch.setattr("shared.channels._SUBSCRIBE_TIMEOUT_S", 0.5)


@pytest.fixture(params=["valkey", "redis"])
def own_broker(request: pytest.FixtureRequest) -> Iterator[EmbeddedBroker]:
    """The embedded one, and Debian's."""
    program = debian.redis() if request.param == "redis" else None
    if request.param == "redis" and program is None:
        pytest.skip("needs redis-tools")
    broker = EmbeddedBroker(None, program)
    broker.start()
    yield broker
    broker.remove()


@pytest.fixture
async def own(own_broker: EmbeddedBroker, tmp_path: Path) -> AsyncIterator[tuple[Local, Any]]:
    """A gateway and a worker that are its user `headrace`, and the broker's own administrator."""
    admin: Any = own_broker.client(0)
    admin.execute_command("ACL", "SETUSER", "headrace", "on", ">secret", *_SMALLEST.split())
    local = Local(own_broker, 0, tmp_path)
    local._broker["redis_url"] = f"{own_broker.url()}&username=headrace&password=secret"
    await local.start()
    yield local, admin
    await local.close()


@pytest.mark.parametrize(
    ("harm", "cure", "why"),
    [
        ("ACL SETUSER headrace resetchannels", "ACL SETUSER headrace &hr:*", "user may not"),
        ("ACL SETUSER headrace -subscribe", "ACL SETUSER headrace +subscribe", "user may not"),
        ("ACL SETUSER headrace resetkeys ~hr:*", "ACL SETUSER headrace ~arq:job:*", "user may not"),
        ("ACL SETUSER headrace -zadd", "ACL SETUSER headrace +zadd", "user may not"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "read-only"),
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "full"),
    ],
)
async def test_ready_means_that_a_message_is_taken(
    own: tuple[Local, Any], session: ClientSession, harm: str, cure: str, why: str
) -> None:
    """A user who may do no more than the run book says is enough; whatever would refuse a message is said."""
    local, admin = own
    chat = ChatClient(session, local.url)

    async def status() -> int:
        return (await chat.call("GET", "/readyz")).status

    assert await status() == 200
    assert (await chat.ask(script(length=3))).end.type == "end"
    admin.execute_command(*harm.split())
    admin.client_kill_filter(_type="pubsub")  # rights are looked at when a connection subscribes

    async def unready() -> bool:
        answer = await chat.call("GET", "/readyz")
        return answer.status == 503 and why in answer.error["message"]

    await eventually(unready, "it is not ready, and says why")
    assert (await chat.submit()).status >= 500
    admin.execute_command(*cure.split())

    async def ready() -> bool:
        return await status() == 200

    await eventually(ready, "it is ready again", 8)
    assert (await chat.ask(script(length=3))).end.type == "end"


@pytest.fixture
def node() -> Iterator[EmbeddedBroker]:
    """The only node of a Redis Cluster."""
    port, bus = str(free_port()), str(free_port())
    options = ("--cluster-enabled", "yes", "--port", port, "--cluster-port", bus, "--bind", "127.0.0.1")
    node = EmbeddedBroker(None, None, *options)
    node.start()
    yield node
    node.remove()


async def test_a_cluster_by_another_address_is_refused(
    node: EmbeddedBroker, tmp_path: Path, session: ClientSession
) -> None:
    """What works on one node by chance may fail on the next: it is not ready, and says how to name it."""
    admin: Any = node.client(0)
    admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    # From then on every script works there, by chance.
    await eventually(lambda: b"cluster_state:ok" in admin.execute_command("CLUSTER", "INFO"), "it is up")
    local = Local(node, 0, tmp_path)
    await local.start(worker=False)
    chat = ChatClient(session, local.url)

    async def refused() -> bool:
        answer = await chat.call("GET", "/readyz")
        return answer.status == 503 and "should begin with redis+cluster://" in answer.error["message"]

    await eventually(refused, "it says why")
    await local.close()


async def test_a_far_broker(broker: EmbeddedBroker, local: Local, session: ClientSession) -> None:
    """Probers that give up within a second learn of a broker that takes most of it to answer."""
    with Link(broker.socket) as link:
        await local.start(worker=False, redis_url=f"redis://127.0.0.1:{link.port}/1")
        link.delay_s = 0.2
        chat = ChatClient(session, local.url)

        async def ready() -> bool:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.9):
                    return (await chat.call("GET", "/readyz")).status == 200
            return False

        await eventually(ready, "it is ready", 8)
        link.delay_s = 0
