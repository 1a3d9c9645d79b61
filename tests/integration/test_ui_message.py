"""Chats of the AI SDK, as plain readers of event streams see them, and while a gateway goes away."""

import asyncio
import json
import signal
from typing import Any

import pytest
from aiohttp import ClientSession

from shared import keys
from tests.conftest import StartStack
from tests.kit import node_clients
from tests.kit.chat_client import script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.node_clients import play
from tests.kit.stack import Stack
from worker.backends.script import expected_text

SAID = script(length=12)


@pytest.fixture
def url(stack: Stack) -> str:
    """The first gateway's address."""
    return stack.gateways[0].url


def body(chat_id: str, text: str = "Hello", **extra: Any) -> dict[str, Any]:
    """What the SDK's transport posts for one message."""
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": text}]}
    return {"id": chat_id, "messages": [message], "trigger": "submit-message", **extra}


async def chunks(session: ClientSession, url: str) -> list[Any]:
    """Every chunk of a stream, and `[DONE]`."""
    async with session.get(url) as response:
        assert response.status == 200, await response.text()
        lines = (await response.text()).splitlines()
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in data]


def written(stack: Stack) -> int:
    """Events in all logs."""
    return sum(stack.redis.xlen(key) for key in stack.redis.scan_iter(match=keys.LOG + "*"))


async def test_stop_keeps_what_it_was_not_asked_for(url: str, session: ClientSession) -> None:
    """A stop that names another stream leaves the active one alone; one of an unknown chat is not found."""
    async with session.post(url + "/api/ui/chat", json=body("c1", script(stall_after=2))) as response:
        generation_id = response.headers["X-Generation-Id"]
        stop = f"{url}/api/ui/chat/c1/stop"
        async with session.post(stop, json={"activeStreamId": "gen_other"}) as answer:
            assert answer.status == 204
        async with session.post(f"{url}/api/ui/chat/c2/stop") as answer:
            assert answer.status == 404
        named = {"activeStreamId": generation_id, "assistantMessage": {"id": generation_id, "parts": []}}
        async with session.post(stop, json=named) as answer:
            assert (answer.status, (await answer.json())["status"]) == (200, "cancelled")
        assert '"type":"abort","reason":"user"' in await response.text()


async def test_a_new_message_stops_the_answer_to_the_last(url: str, session: ClientSession) -> None:
    """Of messages in quick succession the last is answered; the answers before it end as interrupted."""
    texts = [script(stall_after=1), script(stall_after=1, seed=2), SAID]
    responses = [await session.post(url + "/api/ui/chat", json=body("c1", text)) for text in texts]
    first, second, last = [await response.text() for response in responses]
    for interrupted in (first, second):
        assert '"type":"abort","reason":"interrupted"' in interrupted
    assert '"finishReason":"stop"' in last


async def test_stop_reaches_those_that_wait(own_stack: StartStack, session: ClientSession) -> None:
    """A stop also ends a message that still waits for the end of the one it interrupted."""
    stack = await own_stack(cancel_wait_s=0.2, lease_s=10)
    url = stack.gateways[0].url
    first = await session.post(url + "/api/ui/chat", json=body("c1", script(stall_after=1)))
    await eventually(lambda: written(stack) == 2, "the answer is under way")
    stack.workers[0].signal(signal.SIGSTOP)
    second = await session.post(url + "/api/ui/chat", json=body("c1", SAID))
    async with session.post(f"{url}/api/ui/chat/c1/stop") as answer:
        receipt = await answer.json()
    assert receipt["generation_id"] == second.headers["X-Generation-Id"]
    assert receipt["status"] == "cancelled"
    stack.workers[0].signal(signal.SIGCONT)
    for response in (first, second):
        assert '"type":"abort"' in await response.text()


async def test_a_gateway_that_goes_away(own_stack: StartStack) -> None:
    """P8: a page whose gateway drains sees a broken connection, never a cut text that looks whole."""
    node_clients.install()
    stack = await own_stack(gateways=2, drain_grace_s=0.2)
    first, second = stack.gateways
    said = {"text": script(length=100, rate=40)}
    page = asyncio.create_task(play("ui_resume", url=first.url, elsewhere=second.url, said=said, count=1))
    await eventually(lambda: written(stack) > 10, "the answer is under way")
    first.signal(signal.SIGTERM)
    (seen,) = await page
    assert seen["cut"]["status"] == "error"
    assert (seen["status"], seen["text"]) == ("ready", expected_text({"length": 100}))


async def test_frames(stack: Stack, url: str, session: ClientSession) -> None:
    """The headers and chunks are the protocol's, and any gateway replays the very same from the start."""
    said = body("c1", script(length=2, reasoning=1, tool_call=True))
    async with session.post(url + "/api/ui/chat", json=said) as response:
        generation_id = response.headers["X-Generation-Id"]
        assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["Location"] == "/api/ui/chat/c1/stream"
        frames = await response.text()
    for gateway in stack.gateways:
        replay = f"{gateway.url}/api/ui/chat/c1/stream?message_id={generation_id}"
        async with session.get(replay) as response:
            assert await response.text() == frames
        seen = await chunks(session, replay)
    assert [chunk if chunk == "[DONE]" else chunk["type"] for chunk in seen] == [
        *("start", "start-step"),
        *("reasoning-start", "reasoning-delta", "reasoning-end"),
        *("text-start", "text-delta", "text-delta", "text-end"),
        *("tool-input-start", "tool-input-delta", "tool-input-delta", "tool-input-available"),
        *("finish-step", "finish", "[DONE]"),
    ]
    assert seen[0]["messageId"] == generation_id


async def test_resuming_after_an_event(url: str, session: ClientSession) -> None:
    """`Last-Event-ID` gives the frames after that event, for clients that keep what they have."""
    async with session.post(url + "/api/ui/chat", json=body("c1", SAID)) as response:
        generation_id = response.headers["X-Generation-Id"]
        whole = (await response.text()).split("\n\n")
    replay = f"{url}/api/ui/chat/c1/stream?message_id={generation_id}"
    for k, frame in enumerate(whole):
        if frame.startswith("id: "):
            position = frame.splitlines()[0].removeprefix("id: ")
            async with session.get(replay, headers={"Last-Event-ID": position}) as response:
                if frame.endswith("[DONE]"):
                    assert response.status == 204
                else:
                    rest = (await response.text()).removeprefix("retry: 1000\n")
                    assert rest.split("\n\n") == whole[k + 1 :]


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({"temperatur": 1}, "temperatur"),
        ({"model": "nobody"}, "model"),
        ({"messages": []}, "messages"),
        ({"trigger": "resume"}, "trigger"),
        ({"id": "a b"}, "id"),
        ({"messages": [{"id": "m", "role": "user", "parts": [{"type": "text"}]}]}, "messages[0].parts[0]"),
        ({"messages": [{"id": "m", "role": "user", "parts": []}]}, "messages[0]"),
        ({"messages": [{"id": "m", "role": "system", "parts": []}]}, "messages"),
    ],
)
async def test_what_cannot_be_honoured_is_refused(
    url: str, session: ClientSession, extra: dict[str, Any], field: str
) -> None:
    """A request with something we cannot honour is a 400 that names it."""
    async with session.post(url + "/api/ui/chat", json={**body("c1"), **extra}) as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert error["field"] == field, error


async def test_a_strangers_chat(local: Local, session: ClientSession) -> None:
    """P13: a chat is its owner's alone; to another its id is one that was never used."""
    url = await local.start(api_keys="mine,theirs")
    mine, theirs = ({"Authorization": f"Bearer {key}"} for key in ("mine", "theirs"))
    said = body("c1", script(stall_after=1))
    async with session.post(url + "/api/ui/chat", json=said, headers=mine) as response:
        generation_id = response.headers["X-Generation-Id"]
        stream = f"{url}/api/ui/chat/c1/stream?message_id={generation_id}"
        async with session.get(stream, headers=theirs) as answer:
            assert answer.status == 204
        async with session.post(f"{url}/api/ui/chat/c1/stop", headers=theirs) as answer:
            assert answer.status == 404
        async with session.post(f"{url}/api/ui/chat/c1/stop", headers=mine) as answer:
            assert answer.status == 200


async def test_a_retried_request_is_answered_once(url: str, session: ClientSession) -> None:
    """P10: the same `Idempotency-Key` attaches to the first request's answer."""
    seen = []
    said, headers = body("c1", SAID), {"Idempotency-Key": "k1"}
    for _ in range(2):
        async with session.post(url + "/api/ui/chat", json=said, headers=headers) as answer:
            seen.append((answer.headers["X-Generation-Id"], await answer.text()))
    assert seen[0] == seen[1]
