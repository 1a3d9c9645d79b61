"""Whoever waits for a whole answer gets the whole answer, however often its line gives a sign of life."""

import asyncio
import signal
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.conftest import StartStack
from tests.kit.chat_client import Answer, ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from worker.backends.script import expected_text

HEARTBEAT_S = 0.1
#: Silent for several heartbeats before its first word and in the middle.
SLOW = {"length": 4, "first_token_delay_s": 0.6, "rate": 4}


def said(kind: str, answer: Answer) -> str:
    """What a whole answer says."""
    body: Any = answer.body
    if kind == "completion":
        assert body["choices"][0]["finish_reason"] == "stop"
        text: str = body["choices"][0]["message"]["content"]
        return text
    assert body["status"] == "completed"
    whole: str = body["output"][0]["content"][0]["text"]
    return whole


REQUESTS = {
    "completion": (
        "/v1/chat/completions",
        {"model": "scripted", "messages": [{"role": "user", "content": script(**SLOW)}]},
    ),
    "response": ("/v1/responses", {"model": "scripted", "input": script(**SLOW)}),
}


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("waiting", [False, True])
async def test_slower_than_a_heartbeat(
    local: Local, session: ClientSession, kind: str, waiting: bool
) -> None:
    """A whole answer that takes longer than a heartbeat, running or queued, is not taken for an empty one."""
    await local.start(worker=not waiting, heartbeat_s=HEARTBEAT_S)
    chat = ChatClient(session, local.url)
    path, body = REQUESTS[kind]
    asked = asyncio.create_task(chat.call("POST", path, json=body))
    if waiting:
        await eventually(lambda: local.state.relay.open_streams == 1, "it waits in the queue")
        await asyncio.wait([asked], timeout=1)
        assert not asked.done()
        await local.start_worker(heartbeat_s=HEARTBEAT_S)
    answer = await asked
    assert answer.status == 200
    assert said(kind, answer) == expected_text(SLOW)


@pytest.mark.parametrize("kind", REQUESTS)
async def test_a_repeated_request_waits_as_well(local: Local, session: ClientSession, kind: str) -> None:
    """The same request again, by its idempotency key, gets the same whole answer, generated once."""
    await local.start(heartbeat_s=HEARTBEAT_S)
    chat = ChatClient(session, local.url)
    path, body = REQUESTS[kind]
    headers = {"Idempotency-Key": "once"}
    answers = await asyncio.gather(*(chat.call("POST", path, json=body, headers=headers) for _ in range(3)))
    assert [said(kind, answer) for answer in answers] == [expected_text(SLOW)] * 3
    assert len({answer.body["id"] for answer in answers}) == 1
    assert sorted("Idempotent-Replayed" in answer.headers for answer in answers) == [False, True, True]
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 3


async def test_a_receipt_tells_the_state(own_stack: StartStack, session: ClientSession) -> None:
    """
    A cancel whose worker does not answer, while heartbeats go on, is `cancelling`: nothing has ended, nor is
    it forgotten.
    """
    stack = await own_stack(heartbeat_s=HEARTBEAT_S, cancel_wait_s=0.8, lease_s=30)
    chat = ChatClient(session, stack.gateways[0].url)
    silent = script(length=2, first_token_delay_s=60)
    asked = {"model": "scripted", "input": silent, "background": True}
    path = f"/v1/responses/{(await chat.call('POST', '/v1/responses', json=asked)).body['id']}"
    async with await chat.send(silent) as reader:
        await reader.until("start")
        stack.workers[0].signal(signal.SIGSTOP)
        answer, refused = await asyncio.gather(chat.cancel(reader.generation_id), chat.call("DELETE", path))
        stack.workers[0].signal(signal.SIGCONT)
        assert (refused.status, refused.body["error"]["code"]) == (503, "unavailable")
        assert (await chat.call("GET", path)).status == 200
        assert (answer.status, answer.body["status"], answer.body["state"]) == (202, "cancelling", "running")
        await reader.all()
    assert reader.end.data["metadata"]["finish_reason"] == "cancelled"
