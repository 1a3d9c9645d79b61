"""Runs of AG-UI: what reaches a model server of them, and in which order they are stopped."""

from typing import Any

from aiohttp import ClientSession

from shared.events import Start
from tests.kit.chat_client import ChatClient
from tests.kit.hand import Hand, done
from tests.kit.local import Local
from tests.kit.stack import upstream_model
from tests.kit.upstream import FakeUpstream

PATH = "/api/ag-ui"


def run(number: int, **fields: Any) -> dict[str, Any]:
    """One of the thread's."""
    said = [{"id": "m1", "role": "user", "content": "Hello"}]
    known: dict[str, Any] = {"tools": [], "context": [], "state": {}, "forwardedProps": {}}
    return {"threadId": "t1", "runId": f"r{number}", "messages": said, **known, **fields}


async def test_a_choice_among_no_tools(local: Local, session: ClientSession) -> None:
    """Servers refuse it, so it is not passed on."""
    async with FakeUpstream(length=2) as upstream:
        chat = ChatClient(session, await local.start(upstream_model(upstream.url)))
        tools = [{"name": "look", "description": "Looks.", "parameters": {"type": "object"}}]
        for number, given in enumerate((tools, [])):
            chosen = run(number, tools=given, forwardedProps={"toolChoice": "auto"})
            assert (await chat.call("POST", PATH, json=chosen)).status == 200
        assert ["tool_choice" in seen.body for seen in upstream.requests] == [True, False]


async def test_those_that_wait_are_stopped_first(local: Local, session: ClientSession) -> None:
    """Or the end of the one that is active would start them."""
    chat = ChatClient(session, await local.start(worker=False, cancel_wait_s=0.1))
    hand = Hand(local.state.broker, "a")
    async with await chat.open("POST", PATH, json=run(1)) as active:
        assert await hand.claim(active.generation_id) is not None
        async with await chat.open("POST", PATH, json=run(2)) as waiting:
            stopped = await chat.call("POST", f"{PATH}/t1/stop")
        assert await hand.write(active.generation_id, Start(ts=1, model="scripted"), done()) == "ok"
    assert (stopped.status, stopped.body["generation_id"]) == (200, waiting.generation_id)
