"""P7 and the gateway's rules: a broker that is away costs time and says so; it never costs text."""

import asyncio
import signal
from collections.abc import Iterator

import pytest
from aiohttp import ClientSession

from tests.conftest import StartStack
from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.program import Program
from tests.kit.stack import Stack
from worker.backends.script import expected_text


@pytest.fixture
def own_broker() -> Iterator[EmbeddedBroker]:
    """One that the test may stop."""
    broker = EmbeddedBroker()
    broker.start()
    yield broker
    broker.remove()


async def test_requests_without_a_broker(
    own_broker: EmbeddedBroker, own_stack: StartStack, session: ClientSession
) -> None:
    """Without its broker every call is 503 with `Retry-After`; once it is back, all works again."""
    stack = await own_stack(broker=own_broker)
    gateway, worker = stack.gateways[0], stack.workers[0]
    chat = ChatClient(session, gateway.url)
    await chat.ask(conversation_id="c1")
    own_broker.stop()
    calls: list[tuple[str, str, dict[str, str] | None]] = [
        ("POST", "/api/chat/stream", {"message": "Hi"}),
        ("GET", "/api/chat/gen_x", None),
        ("GET", "/api/chat/gen_x/stream", None),
        ("POST", "/api/chat/gen_x/cancel", None),
        ("GET", "/api/conversations", None),
        ("GET", "/api/conversations/c1", None),
        ("GET", "/api/conversations/c1/stream", None),
    ]
    answers = await asyncio.gather(*(chat.call(method, path, json=body) for method, path, body in calls))
    # Not at once: it goes by what was seen a moment before.
    calls.append(("GET", "/readyz", None))
    answers.append(await chat.call("GET", "/readyz"))
    for (_, path, _), refused in zip(calls, answers, strict=True):
        assert (refused.status, refused.error["code"]) == (503, "unavailable"), path
        assert refused.error["retryable"] is True
        assert int(refused.headers["Retry-After"]) >= 1
    for path in ("/livez", "/metrics", "/api/heartbeat"):
        assert (await chat.call("GET", path)).status == 200
    assert not ready(worker)
    own_broker.start()
    await eventually(lambda: ready(gateway) and ready(worker), "both are ready again")

    async def hears() -> bool:
        return bool((await chat.call("GET", "/readyz")).body.get("away") == [])

    await eventually(hears, "its primary is not away any more")
    assert (await chat.ask(script(length=5))).text == expected_text({"length": 5})


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
async def test_a_broker_that_restarts_in_mid_stream(
    own_broker: EmbeddedBroker, own_stack: StartStack, session: ClientSession, signum: signal.Signals
) -> None:
    """A restart in mid-stream costs time, never text: readers stay connected and get every chunk once."""
    stack = await own_stack(broker=own_broker, workers=2)
    chat = ChatClient(session, stack.gateways[0].url)
    options = {"length": 60, "rate": 40}
    readers = [await chat.send(script(**options), model=model) for model in ["scripted", "plain"] * 3]
    for reader in readers:
        await reader.until("chunk", 5)
    own_broker.stop(signum)
    own_broker.start()
    for reader in readers:
        await reader.all(timeout_s=8)  # far below a heartbeat, which would heal what was not subscribed again
        assert reader.end.type == "end"
        assert reader.text == expected_text(options)
        assert len(set(reader.ids)) == len(reader.ids)


@pytest.mark.parametrize("kind", ["pubsub", "normal"])
async def test_connections_that_break(chat: ChatClient, stack: Stack, kind: str) -> None:
    """Readers are live again at once, over the next connection, and each chunk comes once."""
    options = {"length": 100, "rate": 40}
    async with await chat.send(script(**options)) as reader:
        await reader.until("chunk", 3)
        stack.redis.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        await reader.all(timeout_s=6)
    assert reader.text == expected_text(options)
    assert reader.ids == [f"1-{seq}" for seq in range(len(reader.ids))]


def ready(program: Program) -> bool:
    """Whether it says so."""
    return program.request("GET", "/readyz") == 200
