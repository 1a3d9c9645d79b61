"""
P16: no secret is in a log, a metric, an error, an address or the broker: searched for by its value,
everywhere.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from shared.api_keys import ApiKeys, Wanted
from shared.broker import Broker
from shared.sealing import Sealing
from shared.settings import Settings
from shared.tenants import Tenants
from tests.conftest import StartStack
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.stack import MODELS, upstream_model

HELLO = [{"role": "user", "content": "Hello"}]

SECRET, CONFIGURED = "the-secret-that-seals", "a-configured-key"
#: In the address of whoever is told of ends, what signs that, and a model server's key.
HOOK, SIGNING, UPSTREAM = (
    "hook-path-of-ours",
    base64.b64encode(b"signs-webhooks-of-ours").decode(),
    "sk-upstream-of-ours",
)
#: No HTTP, with which a model server and a receiver of webhooks answer.
GARBAGE = b"HTTP/1.1 2000 \x00\r\nno header\r\n\r\n"


@pytest.fixture
async def garbage() -> AsyncIterator[str]:
    """The address of a server that repeats what it was asked, and nothing of it is HTTP."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(4096) + GARBAGE)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_no_secret_is_anywhere(
    own_stack: StartStack,
    session: ClientSession,
    tmp_path: Path,
    garbage: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After good and bad requests with keys, a session, a token, and servers that answer nonsense."""
    audit = tmp_path / "audit.jsonl"
    monkeypatch.setenv("OUR_UPSTREAM_KEY", UPSTREAM)
    options = {"auth": "keys", "api_keys": CONFIGURED, "secret": SECRET, "log_level": "debug"}
    options |= {"webhook_url": f"{garbage}/{HOOK}", "webhook_secret": f"whsec_{SIGNING}"}
    models = MODELS + upstream_model(f"{garbage}/v1", name="nonsense", api_key_env="OUR_UPSTREAM_KEY")
    stack = await own_stack(1, 1, audit_log=audit, key_cache_s=0.2, models=models, **options)
    gateway, broker = stack.gateways[0], Broker(Settings(redis_url=stack.redis_url, secret=SECRET))
    keys = ApiKeys(broker, Sealing(broker), Tenants(broker))
    try:
        kept, key = await keys.create(Wanted(tenant="acme", scopes=("chat", "read", "admin")), "a test")
        _, rotated = await keys.rotate(kept.id, 60)
        said, secrets = [], [SECRET, CONFIGURED, key[-50:], rotated[-50:], HOOK, SIGNING, UPSTREAM]
        for one in (key, rotated, CONFIGURED, key[:-1] + "x", CONFIGURED + "x"):
            chat = ChatClient(session, gateway.url, one)
            for method, path, body in (
                ("POST", "/api/chat/stream", {"message": script(length=1)}),
                ("POST", "/v1/chat/completions", {"messages": HELLO}),
                ("POST", "/api/chat/stream", {"message": 1}),
                ("GET", "/api/conversations", None),
                ("GET", "/api/usage", None),
                ("GET", "/api/admin/keys", None),
                ("GET", "/nothing", None),
                ("POST", "/v1/chat/completions", {"model": "nonsense", "messages": HELLO}),
                ("POST", "/v1/responses", {"input": script(length=1), "background": True}),
            ):
                said.append(str(await chat.call(method, path, json=body)))
        page = ChatClient(session, gateway.url)
        signed_in = await page.call(
            "POST", "/api/session", json={"key": key}, headers={"Origin": gateway.url}
        )
        cookie = {"Cookie": signed_in.headers["Set-Cookie"].partition(";")[0]}
        secrets.append(signed_in.headers["Set-Cookie"].partition("=")[2].partition(";")[0].partition(".")[2])
        said.append(str((signed_in.status, signed_in.body)))
        assert (await page.call("GET", "/api/conversations", headers=cookie)).status == 200
        await eventually(lambda: "a webhook failed" in gateway.log, "a webhook fails")
        assert "upstream_" in "".join(said)
        await keys.revoke(kept.id)
        metrics = str((await page.call("GET", "/metrics")).body)
        logs = gateway.log + stack.workers[0].log + audit.read_text()
        assert "key_first_used" in logs
        assert "headrace_http_requests" in metrics
        for secret in secrets:
            assert len(secret) > 10
            assert secret not in logs
            assert secret not in metrics
            assert not [one for one in said if secret in one]
            for name in stack.redis.scan_iter(count=1000):
                assert secret.encode() not in name
                assert secret.encode() not in (stack.redis.dump(name) or b"")
    finally:
        await broker.close()
