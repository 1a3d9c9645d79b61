"""AG-UI's JavaScript client, as published, at a running `headrace up`."""

import asyncio
import json
import uuid
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.e2e.system import System
from tests.kit import node_clients
from tests.kit.chat_client import script
from tests.kit.node_clients import play
from worker.backends.script import expected_text

TEXT = expected_text({"length": 12})


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    """The clients of `tests/node` are installed."""
    node_clients.install()


def run_input(said: str, model: str = "scripted", **fields: Any) -> dict[str, Any]:
    """What the client sends for a thread of one message."""
    return {
        "threadId": uuid.uuid4().hex,
        "runId": uuid.uuid4().hex,
        "messages": [{"id": "u1", "role": "user", "content": said}],
        "forwardedProps": {"model": model},
        **fields,
    }


def frames_of(raw: bytes) -> list[tuple[str | None, dict[str, Any]]]:
    """Every event with its position, where it has one."""
    found = []
    for block in raw.decode().split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n") if not line.startswith(":")]
        said = {name: value for name, _, value in lines}
        if "data" in said:
            found.append((said.get("id"), json.loads(said["data"])))
    return found


async def test_a_tool(url: str) -> None:
    """The client answers a call, and reads the run that follows; its own checks take every event."""
    said = script(length=12, reasoning=2, tool_call=True, arguments='{"gate": "upper"}')
    seen = await play("ag_ui", play="tool", url=url, model="upstream", said=said)
    assert seen["text"] == TEXT
    assert seen["roles"].count("tool") == 1
    assert "reasoning" in seen["roles"]
    assert {"TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "STEP_STARTED"} <= set(seen["types"])


@pytest.mark.parametrize("events", [1, pytest.param(5, marks=pytest.mark.long)])
async def test_cut_and_read_on_elsewhere(url: str, system: System, events: int) -> None:
    """P1: a run that is cut after every event, or every fifth, reads on at the other gateway as one."""
    said = script(length=12, reasoning=2, tool_call=True)
    uncut = await play("ag_ui", play="cut", url=url, elsewhere=url, model="scripted", said=said, events=1000)
    seen = await play(
        "ag_ui", play="cut", url=url, elsewhere=system.elsewhere, model="scripted", said=said, events=events
    )
    assert seen == uncut
    assert seen["text"] == TEXT


async def test_joined_and_stopped(url: str, system: System) -> None:
    """A second client joins the run and sees the same; a stop from the other gateway ends it as cancelled."""
    said = script(length=12, rate=20)
    elsewhere = system.elsewhere
    joined = await play("ag_ui", play="joined", url=url, elsewhere=elsewhere, model="scripted", said=said)
    assert joined["texts"] == [TEXT, TEXT]
    said = script(length=1000, rate=20)
    seen = await play("ag_ui", play="stopped", url=url, elsewhere=elsewhere, model="scripted", said=said)
    assert (seen["last"]["type"], seen["last"]["outcome"]) == ("RUN_FINISHED", {"type": "cancelled"})
    assert seen["receipt"]["status"] == "cancelled"
    assert expected_text({"length": 1000}).startswith(seen["text"])


async def test_failed(url: str) -> None:
    """A run that fails ends in an error with our code, after the text so far."""
    said = script(length=9, fail_after=3, fail_code="upstream_rejected")
    seen = await play("ag_ui", play="failed", url=url, model="scripted", said=said)
    assert seen["seen"]["code"] == "upstream_rejected"
    assert seen["text"] == expected_text({"length": 3})


async def test_the_same_run_again(url: str, system: System, session: ClientSession) -> None:
    """P10: a run's own id makes it the same one; with the last event read it goes on after it."""
    body = run_input(script(length=6))
    async with session.post(f"{url}/api/ag-ui", json=body) as response:
        first, generation_id = await response.read(), response.headers["X-Generation-Id"]
    async with session.post(f"{system.elsewhere}/api/ag-ui", json=body) as response:
        assert response.headers["Idempotent-Replayed"] == "true"
        assert frames_of(await response.read()) == frames_of(first)
    events = frames_of(first)
    for k, (at, _) in enumerate(events):
        if at is None:
            continue
        again = session.post(f"{system.elsewhere}/api/ag-ui", json=body, headers={"Last-Event-ID": at})
        async with again as response:
            assert response.status == (204 if k == len(events) - 1 else 200)
            assert frames_of(await response.read()) == events[k + 1 :]
    async with session.post(f"{url}/api/ag-ui", json={**body, "tools": [{"name": "x"}]}) as response:
        assert response.status == 422
    async with session.post(f"{url}/api/ag-ui", json={**body, "threadId": uuid.uuid4().hex}) as response:
        assert (response.status, "Idempotent-Replayed" in response.headers) == (200, False)
        await response.read()
    thread = f"{url}/api/ag-ui/{body['threadId']}/stream"
    async with session.get(thread) as response:
        assert response.status == 204
    async with session.get(thread, params={"run_id": generation_id}) as response:
        assert frames_of(await response.read()) == events
    async with session.get(f"{url}/api/ag-ui/other/stream", params={"run_id": generation_id}) as response:
        assert response.status == 404


async def test_a_lost_worker(url: str, system: System, session: ClientSession) -> None:
    """P3: one text where the model goes on, its attempts told as steps; else the thread is told anew."""
    for model, void in (("scripted", False), ("plain", True)):
        body = run_input(script(length=30, rate=30), model)
        async with session.post(f"{url}/api/ag-ui", json=body) as response:
            raw = b""
            while raw.count(b"TEXT_MESSAGE_CONTENT") < 8:
                raw += await response.content.readany()
            system.kill_worker()
            events = [event for _, event in frames_of(raw + await response.read())]
        steps = [event["stepName"] for event in events if event["type"] == "STEP_STARTED"]
        assert steps == ["attempt 1", "attempt 2"]
        reset = [k for k, event in enumerate(events) if event["type"] == "MESSAGES_SNAPSHOT"]
        assert bool(reset) == void
        told = events[reset[0] if reset else 0 :]
        text = "".join(event["delta"] for event in told if event["type"] == "TEXT_MESSAGE_CONTENT")
        assert text == expected_text({"length": 30})
        assert events[-1]["type"] == "RUN_FINISHED"


async def test_what_is_refused(url: str, session: ClientSession) -> None:
    """What cannot be honoured is refused before a run begins, with the field's name."""
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"messages": []}, "messages"),
        ({"resume": [{"interruptId": "i", "status": "resolved"}]}, "resume"),
        ({"threadId": "no thread"}, "threadId"),
        ({"runId": ""}, "runId"),
        ({"forwardedProps": {"model": "nope"}}, "model"),
        ({"messages": [{"id": "1", "role": "wizard", "content": "x"}]}, "messages[0].role"),
    ]

    async def refused(fields: dict[str, Any], field: str) -> None:
        async with session.post(f"{url}/api/ag-ui", json={**run_input("x"), **fields}) as response:
            assert response.status == 400
            assert (await response.json())["error"]["field"] == field

    await asyncio.gather(*(refused(*each) for each in wrong))
