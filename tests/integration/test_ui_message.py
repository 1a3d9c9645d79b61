"""The AI SDK's own client, in its newest version, against the gateway: send, break, resume, stop."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

from shared import keys
from tests import node_clients
from tests.chat_client import script
from tests.conftest import StartStack
from tests.eventually import eventually
from tests.local import Local
from tests.node_clients import play
from tests.proxy import CuttingProxy
from tests.stack import Stack, upstream_model
from tests.upstream import FakeUpstream
from worker.backends.script import expected_text

LENGTH = 12
SAID = {"text": script(length=LENGTH)}
TEXT = expected_text({"length": LENGTH})


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    """The clients of `tests/node` are installed."""
    node_clients.install()


@pytest.fixture
def url(stack: Stack) -> str:
    """The first gateway's address."""
    return stack.gateways[0].url


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


async def test_a_page_sends_its_whole_history(stack: Stack, url: str, session: ClientSession) -> None:
    """The messages that the page sends are the prompt, in order, and the history that we kept is not."""
    first, second = script(rate=0, length=3), script(rate=0, length=3, seed=2)
    said = [{"text": first}, {"text": second}]
    transport = {"body": {"model": "upstream", "max_tokens": 7}}
    seen = await play("ui_send", url=url, id="c1", said=said, transport=transport)
    assert stack.upstream is not None
    async with session.get(stack.upstream.url + "/_requests") as response:
        sent = (await response.json())[-1]["body"]
    reply = shown(seen["messages"][1])[0][1]
    assert [(m["role"], m["content"]) for m in sent["messages"]] == [
        ("user", first),
        ("assistant", reply),
        ("user", second),
    ]
    assert sent["max_tokens"] == 7


async def test_a_history_that_is_too_long(local: Local, session: ClientSession) -> None:
    """A page may send more than the model can read: the newest messages that fit are the prompt."""
    async with FakeUpstream() as upstream:
        url = await local.start(upstream_model(upstream.url, max_context_tokens=60))
        said = [{"text": letter * 120} for letter in "abc"]
        await play("ui_send", url=url, id="c1", said=said)
    last = upstream.requests[-1].body["messages"]
    assert last[-1] == {"role": "user", "content": "c" * 120}
    assert "a" * 120 not in [message["content"] for message in last]


async def test_reasoning_is_a_part_of_its_own(url: str) -> None:
    """Reasoning and text are two parts, both closed at the end."""
    said = [{"text": script(length=4, reasoning=3)}]
    seen = await play("ui_send", url=url, id="c1", said=said)
    reasoning, text = shown(seen["messages"][-1])
    assert (reasoning[0], reasoning[2]) == ("reasoning", "done")
    assert len(reasoning[1].split()) == 3
    assert text == ("text", expected_text({"length": 4}), "done")


async def test_a_tool_of_the_page(stack: Stack, url: str, session: ClientSession) -> None:
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
    assert stack.upstream is not None
    async with session.get(stack.upstream.url + "/_requests") as response:
        sent = (await response.json())[-1]["body"]
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


async def test_a_socket_that_breaks(stack: Stack, proxy: CuttingProxy) -> None:
    """P1: cut after any event of a running answer, the message is whole once resumed at another gateway."""
    cuts = range(LENGTH)
    proxy.cuts.extend(cuts)
    options = {"length": 4 * LENGTH, "rate": 16}
    runs = await play(
        "ui_resume",
        url=proxy.url,
        elsewhere=stack.gateways[1].url,
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


async def test_a_reply_that_ended_while_its_page_was_away(stack: Stack, proxy: CuttingProxy) -> None:
    """P1: `?message_id=` brings the rest of a reply that was cut, although it has ended meanwhile."""
    elsewhere = stack.gateways[1].url
    proxy.cuts.extend(range(1, LENGTH + 2))
    runs = await play(
        "ui_resume", url=proxy.url, elsewhere=elsewhere, said=SAID, count=LENGTH + 1, ended=True
    )
    assert proxy.done == LENGTH + 1
    for seen in runs:
        assert seen["status"] == "ready", seen["errors"]
        assert shown(seen["messages"][-1]) == [("text", TEXT, "done")]


@pytest.mark.parametrize("chat_id", ["c1", "never-seen"])
async def test_nothing_to_resume(stack: Stack, url: str, session: ClientSession, chat_id: str) -> None:
    """A page that is loaded while nothing answers, or before anything was said, gets 204."""
    async with session.post(url + "/api/ui/chat", json=body("c1", SAID["text"])) as response:
        await response.read()
    async with session.get(f"{url}/api/ui/chat/{chat_id}/stream") as response:
        assert response.status == 204
    seen = await play("ui_reload", url=stack.gateways[1].url, id=chat_id)
    assert (seen["status"], seen["errors"], seen["messages"]) == ("ready", [], [])


async def test_a_page_that_is_loaded_during_the_answer(
    stack: Stack, url: str, session: ClientSession
) -> None:
    """A new page of the chat, at another gateway, gets the answer under way from its start."""
    said = body("c1", script(length=LENGTH + 1, stall_after=LENGTH))
    async with session.post(url + "/api/ui/chat", json=said) as response:
        generation_id = response.headers["X-Generation-Id"]
        page = asyncio.create_task(
            play("ui_reload", url=stack.gateways[1].url, id="c1", messages=said["messages"])
        )
        channel = keys.LIVE + generation_id
        await eventually(lambda: stack.redis.pubsub_numsub(channel)[0][1] == 2, "both gateways listen")
        async with session.post(f"{url}/api/ui/chat/c1/stop") as answer:
            assert answer.status == 200
        seen = await page
    assert [message["id"] for message in seen["messages"]] == ["m1", generation_id]
    assert seen["text"] == TEXT


async def test_stop_and_resume_together(stack: Stack, url: str) -> None:
    """P6: hanging up stops nothing, the stop call does, from any gateway; then there is nothing to resume."""
    said = {"text": script(length=500, rate=50)}
    seen = await play("ui_stop", url=url, elsewhere=stack.gateways[1].url, id="c1", said=said)
    hung_up, stopped = seen["hungUp"]["text"], seen["stopped"]["text"]
    assert stopped.startswith(hung_up)
    assert seen["receipt"]["status"] == "cancelled"
    assert (seen["stopped"]["status"], seen["errors"]) == ("ready", [])
    assert shown(seen["stopped"]["messages"][-1])[0][2] == "done"
    assert (seen["status"], seen["text"], seen["again"]) == ("ready", stopped, 204)


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
    texts = [script(stall_after=1), script(stall_after=1, seed=2), SAID["text"]]
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
    second = await session.post(url + "/api/ui/chat", json=body("c1", SAID["text"]))
    async with session.post(f"{url}/api/ui/chat/c1/stop") as answer:
        receipt = await answer.json()
    assert receipt["generation_id"] == second.headers["X-Generation-Id"]
    assert receipt["status"] == "cancelled"
    stack.workers[0].signal(signal.SIGCONT)
    for response in (first, second):
        assert '"type":"abort"' in await response.text()


async def test_a_killed_worker_without_prefill(own_stack: StartStack) -> None:
    """P3: when a worker dies and the answer starts over, the page shows one whole text."""
    stack = await own_stack(lease_s=1)
    said = [{"text": script(length=60, rate=40)}]
    transport = {"body": {"model": "plain"}}
    page = asyncio.create_task(
        play("ui_send", url=stack.gateways[0].url, id="c1", said=said, transport=transport)
    )
    await eventually(lambda: written(stack) > 10, "the answer is under way")
    stack.workers[0].signal(signal.SIGKILL)
    await stack.add_worker()
    seen = await page
    assert (seen["status"], seen["errors"]) == ("ready", [])
    assert shown(seen["messages"][-1]) == [("text", expected_text({"length": 60}), "done")]
    (generation,) = list(stack.redis.scan_iter(match=keys.LOG + "*"))
    assert any(b'"type":"reset"' in fields[b"e"] for _, fields in stack.redis.xrange(generation))


async def test_a_gateway_that_goes_away(own_stack: StartStack) -> None:
    """P8: a page whose gateway drains sees a broken connection, never a cut text that looks whole."""
    stack = await own_stack(gateways=2, drain_grace_s=0.2)
    first, second = stack.gateways
    said = {"text": script(length=100, rate=40)}
    page = asyncio.create_task(play("ui_resume", url=first.url, elsewhere=second.url, said=said, count=1))
    await eventually(lambda: written(stack) > 10, "the answer is under way")
    first.signal(signal.SIGTERM)
    (seen,) = await page
    assert seen["cut"]["status"] == "error"
    assert (seen["status"], seen["text"]) == ("ready", expected_text({"length": 100}))


async def test_the_place_in_the_queue(url: str, stack: Stack, session: ClientSession) -> None:
    """While it waits for a worker, a page's `onData` learns its place; no message keeps it."""
    blockers = [
        await session.post(
            url + "/api/ui/chat", json=body(f"blocker{n}", script(stall_after=0), model="single")
        )
        for n in range(len(stack.workers))
    ]
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
    for n in range(len(blockers)):
        async with session.post(f"{url}/api/ui/chat/blocker{n}/stop") as answer:
            assert answer.status == 200
    seen = await page
    assert seen["data"] == [{"type": "data-queued", "data": {"position": 1}, "transient": True}]
    assert shown(seen["messages"][-1]) == [("text", TEXT, "done")]
    for blocker in blockers:
        blocker.close()


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


async def test_resuming_behind_an_event(url: str, session: ClientSession) -> None:
    """`Last-Event-ID` gives the frames behind that event, for clients that keep what they have."""
    async with session.post(url + "/api/ui/chat", json=body("c1", SAID["text"])) as response:
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
                    assert (await response.text()).split("\n\n")[1:] == whole[k + 1 :]


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
    said, headers = body("c1", SAID["text"]), {"Idempotency-Key": "k1"}
    for _ in range(2):
        async with session.post(url + "/api/ui/chat", json=said, headers=headers) as answer:
            seen.append((answer.headers["X-Generation-Id"], await answer.text()))
    assert seen[0] == seen[1]
