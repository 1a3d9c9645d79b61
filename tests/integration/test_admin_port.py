"""
Beyond loopback what is not for strangers has a port of its own; every answer says how browsers are to take
it.
"""

from aiohttp import ClientSession

from tests.conftest import StartStack
from tests.kit.api_keys import make_key
from tests.kit.chat_client import ChatClient
from tests.kit.local import Local
from tests.kit.program import free_port

PRIVATE = ("/metrics", "/api/admin/keys", "/api/admin/usage")
OPEN = ("/api/conversations", "/v1/models", "/openapi.json", "/api/heartbeat")


async def test_a_port_of_its_own(own_stack: StartStack, session: ClientSession) -> None:
    """
    The port for all has nothing that is private, the private one nothing else; both tell of their health.
    """
    admin_port = free_port()
    stack = await own_stack(host="0.0.0.0", auth="keys", admin_port=admin_port)
    port = stack.gateways[0].port
    public = ChatClient(session, f"http://127.0.0.1:{port}", "no-key")
    private = ChatClient(session, f"http://127.0.0.1:{admin_port}", "no-key")
    for path in PRIVATE:
        refused = await public.call("GET", path)
        assert refused.status == 404
        assert "HEADRACE_ADMIN_PORT" in refused.error["message"]
        assert (await private.call("GET", path)).status == (200 if path == "/metrics" else 401)
    for path in OPEN:
        assert (await private.call("GET", path)).status == 404
        assert (await public.call("GET", path)).status in {200, 401}
    for path in ("/livez", "/readyz"):
        assert {(await one.call("GET", path)).status for one in (public, private)} == {200}


async def test_without_one(local: Local, session: ClientSession) -> None:
    """On loopback one port has it all; beyond it, what is private is nowhere unless its port is set."""
    await local.start(auth="keys")
    everywhere = await local.add_gateway(auth="keys", host="0.0.0.0")
    admin = await make_key(local, scopes=("admin",))
    for path in PRIVATE:
        assert (await ChatClient(session, local.url, admin).call("GET", path)).status == 200
        assert (await ChatClient(session, everywhere, admin).call("GET", path)).status == 404


async def test_headers_for_browsers(local: Local, session: ClientSession) -> None:
    """
    No answer is taken for another type, framed, or told to where a link leads; the docs keep their own
    policy.
    """
    await local.start()
    chat = ChatClient(session, local.url)
    for path in ("/v1/models", "/livez", "/nothing", "/docs", "/openapi.json"):
        headers = (await chat.call("GET", path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    async with await chat.send() as reader:
        assert reader.headers["X-Content-Type-Options"] == "nosniff"
        await reader.all()


async def test_a_broker_with_little_rights(local: Local, session: ClientSession) -> None:
    """The smallest user of the broker that the runbook names is enough for keys and limits as well."""
    rights = "on >secret ~hr:* ~arq:job:* &hr:* -@all +@read +@write +@connection +@transaction +@scripting"
    rights += " +@pubsub +wait +time -@admin -@dangerous"
    local.redis.execute_command("ACL", "SETUSER", "headrace", "reset", *rights.split())
    try:
        scheme, _, rest = str(local.settings().redis_url).partition("://")
        url = f"{scheme}://headrace:secret@{rest}"
        await local.start(auth="keys", redis_url=url)
        chat = ChatClient(session, local.url, await make_key(local))
        reader = await chat.ask(conversation_id="c1", headers={"Idempotency-Key": "k"})
        assert reader.end.type == "end"
        assert (await chat.call("GET", "/api/usage")).body["used"]["day"]["messages"] == 1
        assert (await chat.call("DELETE", "/api/conversations/c1")).status == 204
        assert (await chat.call("GET", "/readyz")).status == 200
        await local.stop_worker()
    finally:
        local.redis.execute_command("ACL", "DELUSER", "headrace")
