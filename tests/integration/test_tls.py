"""The broker over TLS, as the run book's smallest user: Debian's, for the embedded one knows no TLS."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.kit import debian
from tests.kit.broker import EmbeddedBroker
from tests.kit.certificates import make_authority, make_certificate
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.program import free_port

_SMALLEST = (
    "~hr:* ~arq:job:* &hr:* -@all +@read +@write +@connection +@transaction +@scripting +@pubsub "
    "+wait +time -@admin -@dangerous"
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with those of a CA, of `localhost`, of a client, and of a CA that nobody trusts."""
    if debian.redis() is None:
        pytest.skip("needs redis-tools")
    folder = tmp_path_factory.mktemp("tls")
    for ca in ("ca", "stranger"):
        make_authority(folder, ca)
    for name in ("server", "client"):
        make_certificate(folder, name)
    return folder


@pytest.fixture(params=["no", "yes"], ids=["", "clients too"])
def tls(request: pytest.FixtureRequest, certificates: Path) -> Iterator[tuple[EmbeddedBroker, str]]:
    """A broker, and its address over TLS as the user `headrace`, with a certificate where it wants one."""
    port, files = free_port(), certificates
    options = {"port": port, "cert-file": files / "server.crt", "key-file": files / "server.key"}
    options |= {"ca-cert-file": files / "ca.crt", "auth-clients": request.param}
    arguments = [part for name, value in options.items() for part in (f"--tls-{name}", str(value))]
    broker = EmbeddedBroker(None, debian.redis(), *arguments)
    broker.start()
    admin: Any = broker.client(0)
    admin.execute_command("ACL", "SETUSER", "headrace", "on", ">secret", *_SMALLEST.split())
    url = f"rediss://headrace:secret@localhost:{port}/0?ssl_check_hostname=true&ssl_ca_certs={files}/ca.crt"
    if request.param == "yes":
        url += f"&ssl_certfile={files}/client.crt&ssl_keyfile={files}/client.key"
    yield broker, url
    broker.remove()


@pytest.fixture
async def local(tls: tuple[EmbeddedBroker, str], tmp_path: Path) -> AsyncIterator[Local]:
    """A gateway and a worker that reach their broker over TLS alone."""
    broker, url = tls
    local = Local(broker, 0, tmp_path)
    local._broker["redis_url"] = url
    yield local
    await local.close()


async def test_a_reply(local: Local, session: ClientSession) -> None:
    """It is ready; a reply is written, read again after a position, and stopped."""
    await local.start()
    chat = ChatClient(session, local.url)
    assert (await chat.call("GET", "/readyz")).status == 200
    reply = await chat.ask(script(length=20))
    assert reply.end.type == "end"
    async with await chat.resume(reply.generation_id, "1-5") as again:
        await again.all()
        assert again.ids == reply.ids[reply.ids.index("1-5") + 1 :]
    async with await chat.send(script(rate=20, length=1000)) as stopped:
        await stopped.until("chunk")
        assert (await chat.cancel(stopped.generation_id)).body["status"] == "cancelled"
        await stopped.all()


@pytest.mark.parametrize(
    ("tls", "right", "wrong", "why"),
    # A broker that wants a certificate may reset the connection before its word for that is read.
    [("no", r"/ca\.crt", "/stranger.crt", "certificate"), ("yes", "&ssl_certfile.*", "", "Not ready")],
    indirect=["tls"],
    ids=["a CA that is not ours", "no certificate of ours"],
)
async def test_certificates_that_do_not_do(
    local: Local, session: ClientSession, right: str, wrong: str, why: str
) -> None:
    """Nothing is said over such a connection, and `/readyz` says why."""
    await local.start(worker=False, redis_url=re.sub(right, wrong, str(local._broker["redis_url"])))
    chat = ChatClient(session, local.url)
    answer = await chat.call("GET", "/readyz")
    assert (answer.status, why in answer.error["message"]) == (503, True)
    assert (await chat.submit()).status == 503
