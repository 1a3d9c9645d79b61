"""The AI SDK's own client, in its newest version, at a running `headrace up`: send, break, resume, stop."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

from shared import keys
from tests.e2e.system import System
from tests.kit import node_clients
from tests.kit.chat_client import script
from tests.kit.eventually import eventually
from tests.kit.node_clients import play
from tests.kit.proxy import CuttingProxy
from worker.backends.script import expected_text

LENGTH = 12
SAID = {"text": script(length=LENGTH)}
TEXT = expected_text({"length": LENGTH})


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    """The clients of `tests/node` are installed."""
    node_clients.install()


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[CuttingProxy]:
    """Breaks connections to the first gateway."""
    async with CuttingProxy(url) as proxy:
        yield proxy


def body(chat_id: str, text: str = "Hello", **extra: Any) -> dict[str, Any]:
    """What the SDK's transport posts for one message."""
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": text}]}
    return {"id": chat_id, "messages": [message], "trigger": "submit-message", **extra}


def shown(message: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The kind, text and state of a message's parts, as a page shows them."""
    parts = [part for part in message["parts"] if part["type"] != "step-start"]
    return [(part["type"], part["text"], part["state"]) for part in parts]


async def test_a_message_and_its_answer(url: str) -> None:
    """A message is answered in one text part, and the reply's id is the generation's."""
    seen = await play("ui_send", url=url, id="c1", said=[SAID])
    _, reply = seen["messages"]
    assert (seen["status"], seen["errors"]) == ("ready", [])
    assert reply["id"].startswith("gen_")
    assert shown(reply) == [("text", TEXT, "done")]
    assert seen["finishes"] == [
        {"finishReason": "stop", "isAbort": False, "isDisconnect": False, "isError": False}
    ]


async def test_a_page_sends_its_whole_history(system: System, url: str, session: ClientSession) -> None:
    """The messages that the page sends are the prompt, in order, and the history that we kept is not."""
    first, second = script(rate=0, length=3), script(rate=0, length=3, seed=2)
    said = [{"text": first}, {"text": second}]
    transport = {"body": {"model": "upstream", "max_tokens": 7}}
    seen = await play("ui_send", url=url, id="c1", said=said, transport=transport)
    sent = (await system.asked(session))[-1]["body"]
    reply = shown(seen["messages"][1])[0][1]
    assert [(m["role"], m["content"]) for m in sent["messages"]] == [
        ("user", first),
        ("assistant", reply),
        ("user", second),
    ]
    assert sent["max_tokens"] == 7


async def test_a_history_that_is_too_long(system: System, url: str, session: ClientSession) -> None:
    """A page may send more than the model can read: the newest messages that fit are the prompt."""
    said = [{"text": letter * 120} for letter in "abc"]
    await play("ui_send", url=url, id="c1", said=said, transport={"body": {"model": "brief"}})
    sent = (await system.asked(session))[-1]["body"]["messages"]
    assert sent[-1] == {"role": "user", "content": "c" * 120}
    assert "a" * 120 not in [message["content"] for message in sent]


async def test_reasoning_is_a_part_of_its_own(url: str) -> None:
    """Reasoning and text are two parts, both closed at the end."""
    said = [{"text": script(length=4, reasoning=3)}]
    seen = await play("ui_send", url=url, id="c1", said=said)
    reasoning, text = shown(seen["messages"][-1])
    assert (reasoning[0], reasoning[2]) == ("reasoning", "done")
    assert len(reasoning[1].split()) == 3
    assert text == ("text", expected_text({"length": 4}), "done")


async def test_a_tool_of_the_page(system: System, url: str, session: ClientSession) -> None:
    """A tool's input arrives parsed; its output goes upstream, and the reply goes on in the same message."""
    tool = {"type": "function", "function": {"name": "read_level", "parameters": {"type": "object"}}}
    seen = await play(
        "ui_tool",
        url=url,
        id="c1",
        said={"text": script(rate=0, length=2, tool_call=True)},
        output={"metres": 1.5},
        body={"model": "upstream", "tools": [tool], "tool_choice": "auto"},
    )
    call = seen["called"]["messages"][-1]["parts"][-1]
    assert call["state"] == "input-available"
    assert isinstance(call["input"], dict)
    assert seen["complete"]
    assert len(seen["messages"]) == 2, "the page's second request goes on with the same reply"
    sent = (await system.asked(session))[-1]["body"]
    assert sent["tools"] == [tool]
    asked, result = sent["messages"][-2:]
    assert json.loads(asked["tool_calls"][0]["function"]["arguments"]) == call["input"]
    assert result == {"role": "tool", "tool_call_id": call["toolCallId"], "content": '{"metres":1.5}'}


async def test_a_cut_at_length(url: str) -> None:
    """`max_tokens` may be among the transport's extras, and its effect is told as `length`."""
    seen = await play("ui_send", url=url, id="c1", said=[SAID], transport={"body": {"max_tokens": 3}})
    assert seen["finishes"][0]["finishReason"] == "length"
    assert shown(seen["messages"][-1])[0][1] == " ".join(TEXT.split()[:3])


async def test_another_answer_to_the_same_message(url: str) -> None:
    """`regenerate` replaces the reply by a new one."""
    seen = await play("ui_regenerate", url=url, id="c1", said=SAID, again={"max_tokens": 2})
    assert len(seen["messages"]) == 2
    assert seen["messages"][-1]["id"] != seen["first"]["id"]
    assert shown(seen["messages"][-1]) == [("text", " ".join(TEXT.split()[:2]), "done")]


async def test_a_failure_is_an_error(url: str) -> None:
    """A generation that fails leaves its text, closed, and an error with our message for people."""
    said = [{"text": script(length=9, fail_after=3, fail_code="upstream_rejected")}]
    seen = await play("ui_send", url=url, id="c1", said=said)
    assert seen["status"] == "error"
    assert seen["errors"] == ["Error: The model server rejected the request."]
    assert shown(seen["messages"][-1]) == [("text", " ".join(TEXT.split()[:3]), "done")]


async def test_a_socket_that_breaks(system: System, proxy: CuttingProxy) -> None:
    """P1: cut after any event of a running answer, the message is whole once resumed at another gateway."""
    cuts = range(LENGTH)
    proxy.cuts.extend(cuts)
    options = {"length": 4 * LENGTH, "rate": 16}
    runs = await play(
        "ui_resume",
        url=proxy.url,
        elsewhere=system.elsewhere,
        said={"text": script(**options)},
        count=len(cuts),
    )
    assert proxy.done == len(cuts)
    assert sorted(len(seen["cut"]["text"].split()) for seen in runs) == [max(0, cut - 1) for cut in cuts]
    for seen in runs:
        assert seen["cut"]["status"] == "error"
        assert seen["status"] == "ready", seen["errors"]
        assert len(seen["messages"]) == 2
        assert shown(seen["messages"][-1]) == [("text", expected_text(options), "done")]


async def test_a_reply_that_ended_while_its_page_was_away(system: System, proxy: CuttingProxy) -> None:
    """P1: `?message_id=` brings the rest of a reply that was cut, although it has ended meanwhile."""
    elsewhere = system.elsewhere
    proxy.cuts.extend(range(1, LENGTH + 2))
    runs = await play(
        "ui_resume", url=proxy.url, elsewhere=elsewhere, said=SAID, count=LENGTH + 1, ended=True
    )
    assert proxy.done == LENGTH + 1
    for seen in runs:
        assert seen["status"] == "ready", seen["errors"]
        assert shown(seen["messages"][-1]) == [("text", TEXT, "done")]


@pytest.mark.parametrize("chat_id", ["c1", "never-seen"])
async def test_nothing_to_resume(system: System, url: str, session: ClientSession, chat_id: str) -> None:
    """A page that is loaded while nothing answers, or before anything was said, gets 204."""
    async with session.post(url + "/api/ui/chat", json=body("c1", SAID["text"])) as response:
        await response.read()
    async with session.get(f"{url}/api/ui/chat/{chat_id}/stream") as response:
        assert response.status == 204
    seen = await play("ui_reload", url=system.elsewhere, id=chat_id)
    assert (seen["status"], seen["errors"], seen["messages"]) == ("ready", [], [])


async def test_a_page_that_is_loaded_during_the_answer(
    system: System, url: str, session: ClientSession
) -> None:
    """A new page of the chat, at another gateway, gets the answer under way from its start."""
    said = body("c1", script(length=LENGTH + 1, stall_after=LENGTH))
    async with session.post(url + "/api/ui/chat", json=said) as response:
        generation_id = response.headers["X-Generation-Id"]
        page = asyncio.create_task(
            play("ui_reload", url=system.elsewhere, id="c1", messages=said["messages"])
        )
        channel = keys.LIVE + generation_id
        await eventually(lambda: system.redis.pubsub_numsub(channel)[0][1] == 2, "both gateways listen")
        async with session.post(f"{url}/api/ui/chat/c1/stop") as answer:
            assert answer.status == 200
        seen = await page
    assert [message["id"] for message in seen["messages"]] == ["m1", generation_id]
    assert seen["text"] == TEXT


async def test_stop_and_resume_together(system: System, url: str) -> None:
    """P6: hanging up stops nothing, the stop call does, from any gateway; then there is nothing to resume."""
    said = {"text": script(length=500, rate=50)}
    seen = await play("ui_stop", url=url, elsewhere=system.elsewhere, id="c1", said=said)
    hung_up, stopped = seen["hungUp"]["text"], seen["stopped"]["text"]
    assert stopped.startswith(hung_up)
    assert seen["receipt"]["status"] == "cancelled"
    assert (seen["stopped"]["status"], seen["errors"]) == ("ready", [])
    assert shown(seen["stopped"]["messages"][-1])[0][2] == "done"
    assert (seen["status"], seen["text"], seen["again"]) == ("ready", stopped, 204)


async def test_the_place_in_the_queue(url: str, system: System, session: ClientSession) -> None:
    """While it waits for a worker, a page's `onData` learns its place; no message keeps it."""
    silent = body("blocker", script(stall_after=0), model="single")
    blocker = await session.post(url + "/api/ui/chat", json=silent)
    transport = {"body": {"model": "single"}}
    page = asyncio.create_task(play("ui_send", url=url, id="c1", said=[SAID], transport=transport))

    async def told() -> bool:
        async with session.get(f"{url}/api/ui/chat/c1/stream") as response:
            if response.status == 204:
                return False
            async for line in response.content:
                if b"data-queued" in line:
                    return True
        return False

    await eventually(told, "the place is told")
    async with session.post(f"{url}/api/ui/chat/blocker/stop") as answer:
        assert answer.status == 200
    seen = await page
    assert seen["data"] == [{"type": "data-queued", "data": {"position": 1}, "transient": True}]
    assert shown(seen["messages"][-1]) == [("text", TEXT, "done")]
    blocker.close()


def written(system: System) -> int:
    """Events in all logs."""
    return sum(system.redis.xlen(key) for key in system.redis.scan_iter(match=keys.LOG + "*"))


async def test_a_killed_worker_without_prefill(system: System, url: str) -> None:
    """P3: when a worker dies and the answer starts over, the page shows one whole text."""
    said = [{"text": script(length=60, rate=40)}]
    transport = {"body": {"model": "plain"}}
    page = asyncio.create_task(play("ui_send", url=url, id="c1", said=said, transport=transport))
    await eventually(lambda: written(system) > 10, "the answer is under way")
    system.kill_worker()
    seen = await page
    assert (seen["status"], seen["errors"]) == ("ready", [])
    assert shown(seen["messages"][-1]) == [("text", expected_text({"length": 60}), "done")]
    (generation,) = list(system.redis.scan_iter(match=keys.LOG + "*"))
    assert any(b'"type":"reset"' in fields[b"e"] for _, fields in system.redis.xrange(generation))
