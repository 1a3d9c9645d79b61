"""
P16: no secret is in a log, a metric, an error, an address or the broker: searched for by its value,
everywhere.
"""

from pathlib import Path

from aiohttp import ClientSession

from shared.api_keys import ApiKeys, Wanted
from shared.broker import Broker
from shared.sealing import Sealing
from shared.settings import Settings
from shared.tenants import Tenants
from tests.conftest import StartStack
from tests.kit.chat_client import ChatClient, script

SECRET, CONFIGURED = "the-secret-that-seals", "a-configured-key"


async def test_no_secret_is_anywhere(own_stack: StartStack, session: ClientSession, tmp_path: Path) -> None:
    """After good and bad requests with keys, a session and a stream's token."""
    audit = tmp_path / "audit.jsonl"
    options = {"auth": "keys", "api_keys": CONFIGURED, "secret": SECRET, "log_level": "debug"}
    stack = await own_stack(1, 1, audit_log=audit, key_cache_s=0.2, **options)
    gateway, broker = stack.gateways[0], Broker(Settings(redis_url=stack.redis_url, secret=SECRET))
    keys = ApiKeys(broker, Sealing(broker), Tenants(broker))
    try:
        kept, key = await keys.create(Wanted(tenant="acme", scopes=("chat", "read", "admin")), "a test")
        _, rotated = await keys.rotate(kept.id, 60)
        said, secrets = [], [SECRET, CONFIGURED, key[-50:], rotated[-50:]]
        for one in (key, rotated, CONFIGURED, key[:-1] + "x", CONFIGURED + "x"):
            chat = ChatClient(session, gateway.url, one)
            for method, path, body in (
                ("POST", "/api/chat/stream", {"message": script(length=1)}),
                ("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "Hello"}]}),
                ("POST", "/api/chat/stream", {"message": 1}),
                ("GET", "/api/conversations", None),
                ("GET", "/api/usage", None),
                ("GET", "/api/admin/keys", None),
                ("GET", "/nothing", None),
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
