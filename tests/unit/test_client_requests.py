"""What the Python client sends, how long it waits before it comes back, and what a reset leaves of a text."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from headrace import HeadraceError
from headrace import reply as reply_module
from headrace.events import Interrupted
from tests.unit.test_client import FRAMES, Connect, Gateway, connect, frame

__all__ = ["connect"]  # the fixture


class Listening(Gateway):
    """Keeps the bodies that it is sent."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.bodies: list[Any] = []

    async def _send(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        return await super()._send(request)


async def test_all_that_is_asked_for_is_sent(connect: Connect) -> None:
    """And nothing else: what is not given is left to the server."""
    gateway = Listening()
    client = await connect(gateway)
    asked: dict[str, Any] = {"conversation_id": "c", "model": "m", "max_tokens": 5, "on_busy": "queue"}
    asked["on_disconnect"] = "cancel"
    await client.start("hi", **asked).text()
    await client.start("hi").text()
    assert gateway.bodies == [{"message": "hi", **asked}, {"message": "hi"}]


async def test_one_key_for_every_try(connect: Connect) -> None:
    """However often a message is sent, it counts once; another message counts again."""
    gateway = Gateway(refuse=[web.json_response({}, status=503) for _ in range(2)])
    client = await connect(gateway)
    await client.start("hi").text()
    await client.start("hi").text()
    first, *again, second = gateway.keys
    assert again == [first, first]
    assert second != first
    await client.start("hi", idempotency_key="ours").text()
    assert gateway.keys[-1] == "ours"


async def test_the_text_after_a_reset(connect: Connect) -> None:
    """What was voided is no part of it."""
    void = frame("2-0", type="reset", content="", metadata={"reason": "worker_lost"})
    gateway = Gateway(frames=[*FRAMES[:2], void, frame("2-1", type="chunk", content="new"), FRAMES[-1]])
    assert await (await connect(gateway)).start("hi").text() == "new"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a client would have waited."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("headrace.reply.asyncio.sleep", sleep)
    return waits


async def interruptions(reply: AsyncIterator[Any]) -> list[Interrupted]:
    """Of one that is never answered."""
    seen = []
    with pytest.raises(HeadraceError) as refused:
        async for event in reply:
            seen.append(event)
    assert refused.value.code == "too_busy"
    return seen


async def test_how_long_it_waits(
    connect: Connect, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it says and the server asks, doubled, and each reader otherwise."""
    client = await connect(gateway := Gateway())
    monkeypatch.setattr(reply_module, "_RETRY_S", 1.0)
    monkeypatch.setattr(reply_module, "_MAX_RETRY_S", 15.0)
    told = []
    for _ in range(2):
        body = {"error": {"code": "too_busy", "message": "Later.", "retryable": True}}
        gateway.refuse = [web.json_response(body, status=429) for _ in range(4)]
        told.append([event.retry_s for event in await interruptions(aiter(client.start("hi")))])
    assert slept == [*told[0], *told[1]]
    for waits in told:
        assert all(least <= wait <= 1.3 * least for wait, least in zip(waits, (1, 2, 4), strict=True))
    assert told[0] != told[1]
    busy = {"Retry-After": "7"}
    gateway.refuse = [web.json_response(body, status=429, headers=busy) for _ in range(4)]
    waits = [event.retry_s for event in await interruptions(aiter(client.start("hi")))]
    assert all(7 <= wait <= 1.3 * 7 for wait in waits)
    assert len({*waits}) == len(waits), "not even where it tells all of them the same"
