"""P13: an owner's generations and conversations are its own; strangers find nothing, or are not let in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.program import Program, environment, free_port


@pytest.fixture
async def keyed(local: Local) -> AsyncIterator[str]:
    """The address of a gateway with two keys."""
    yield await local.start(api_keys="alice-key, bob-key")


@pytest.fixture
def alice(keyed: str, session: ClientSession) -> ChatClient:
    """One owner."""
    return ChatClient(session, keyed, "alice-key")


@pytest.fixture
def bob(keyed: str, session: ClientSession) -> ChatClient:
    """Another."""
    return ChatClient(session, keyed, "bob-key")


async def test_a_strangers_generation_is_not_found(alice: ChatClient, bob: ChatClient) -> None:
    """Nobody else can see, resume or stop a generation; the answer is that of an unknown id."""
    async with await alice.send(script(length=1000, rate=50)) as reader:
        await reader.until("chunk")
        for method, path in (("GET", ""), ("GET", "/stream"), ("POST", "/cancel")):
            theirs = await bob.call(method, f"/api/chat/{reader.generation_id}{path}")
            unknown = await bob.call(method, f"/api/chat/gen_{'0' * 32}{path}")
            assert theirs.status == unknown.status == 404
            assert theirs.body == unknown.body
        assert (await alice.status(reader.generation_id))["state"] == "running"


async def test_conversations_are_apart(alice: ChatClient, bob: ChatClient) -> None:
    """The same conversation id of two owners is two conversations; each lists its own."""
    await alice.ask("Alice's", conversation_id="c1")
    assert (await bob.call("GET", "/api/conversations/c1")).status == 404
    assert (await bob.call("GET", "/api/conversations/c1/stream")).status == 404
    await bob.ask("Bob's", conversation_id="c1")
    for client, said in ((alice, "Alice's"), (bob, "Bob's")):
        assert (await client.conversation("c1"))["messages"][0]["content"] == said
        listed = (await client.call("GET", "/api/conversations")).body["conversations"]
        assert [conversation["title"] for conversation in listed] == [said]


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer alice-ke",
        "Basic alice-key",
        "alice-key",
        "Bearer \u00e9",
    ],
)
async def test_without_a_valid_key(keyed: str, session: ClientSession, authorization: str) -> None:
    """A missing, wrong or misplaced key is 401 everywhere but on public pages."""
    stranger = ChatClient(session, keyed)
    headers = {"Authorization": authorization} if authorization else {}
    for method, path in (
        ("POST", "/api/chat/stream"),
        ("GET", "/api/chat/gen_x"),
        ("GET", "/api/chat/gen_x/stream"),
        ("POST", "/api/chat/gen_x/cancel"),
        ("GET", "/api/conversations"),
        ("GET", "/api/conversations/c1"),
        ("GET", "/api/conversations/c1/stream"),
    ):
        refused = await stranger.call(method, path, headers=headers)
        assert (refused.status, refused.error["code"]) == (401, "unauthorized")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
    for path in ("/livez", "/readyz", "/metrics", "/api/heartbeat", "/openapi.json", "/docs"):
        assert (await stranger.call("GET", path)).status == 200


async def test_the_scheme_is_case_insensitive(keyed: str, session: ClientSession) -> None:
    """`bearer` is `Bearer` (RFC 9110, section 11.1)."""
    client = ChatClient(session, keyed)
    answer = await client.call("GET", "/api/conversations", headers={"Authorization": "bearer alice-key"})
    assert answer.status == 200


async def test_an_open_door_is_refused(local: Local) -> None:
    """A gateway will not listen beyond loopback without keys, unless told so explicitly."""
    for host in ("0.0.0.0", "192.168.1.5", "::"):
        with pytest.raises(ValueError, match="without API keys"):
            local.settings(host=host).refuse_open_door()
        local.settings(host=host, api_keys="k").refuse_open_door()
        local.settings(host=host, allow_anonymous=True).refuse_open_door()
    for host in ("127.0.0.1", "::1", "localhost"):
        local.settings(host=host).refuse_open_door()


async def test_the_process_refuses_an_open_door(tmp_path: Path) -> None:
    """The process ends with one line that says what to set."""
    port = free_port()
    gateway = Program("gateway", environment(host="0.0.0.0", port=port), port, tmp_path / "gateway.log")
    gateway.start()
    assert await gateway.ended() == 1
    assert "HEADRACE_API_KEYS" in gateway.log
    assert "Traceback" not in gateway.log


@pytest.mark.one_cell
async def test_no_key_is_in_the_broker(local: Local, session: ClientSession) -> None:
    """P16: neither as a name nor as a value; who reads the broker can ask for nothing."""
    await local.start(api_keys="alice-key")
    chat = ChatClient(session, local.url, "alice-key")
    await chat.ask("Hello", conversation_id="c1", headers={"Idempotency-Key": "k"})
    names = local.redis.keys("*")
    assert len(names) > 4
    for name in names:
        assert b"alice-key" not in name
        assert b"alice-key" not in (local.redis.dump(name) or b"")
