"""P5, P6: stop stops, wherever it is asked, and its log says so for ever."""

import asyncio
import signal

import pytest
from aiohttp import ClientSession

from tests.conftest import StartStack
from tests.kit.chat_client import Answer, ChatClient, script
from tests.kit.local import Local
from tests.kit.stack import Stack
from worker.backends.script import expected_text

ENDLESS = script(length=1000, rate=100)
WHOLE = expected_text({"length": 1000})


def assert_cancelled(receipt: Answer) -> None:
    """The receipt says that it was cancelled, and now is."""
    assert receipt.status == 200
    assert receipt.body["status"] == "cancelled"
    assert receipt.body["state"] == "cancelled"
    assert receipt.body["finish_reason"] == "cancelled"


async def test_running_from_another_gateway(chat: ChatClient, elsewhere: ChatClient) -> None:
    """A running generation can be stopped at any gateway; the receipt tells position and usage."""
    async with await chat.send(ENDLESS, conversation_id="c1") as reader:
        await reader.until("chunk", 3)
        receipt = await elsewhere.cancel(reader.generation_id)
        await reader.all()
    assert_cancelled(receipt)
    assert receipt.body["position"] == reader.last_id
    end = reader.end.data
    assert (end["type"], end["metadata"]["finish_reason"]) == ("end", "cancelled")
    assert end["metadata"]["reason"] == "user"
    assert end["metadata"]["usage"] == receipt.body["usage"]
    assert end["metadata"]["usage"]["completion_tokens"] == len(reader.ids) - 2


async def test_the_partial_text_is_kept(chat: ChatClient) -> None:
    """What was said before the stop stays: in the status, in the conversation, in the log."""
    async with await chat.send(ENDLESS, conversation_id="c1") as reader:
        await reader.until("chunk", 3)
        await chat.cancel(reader.generation_id)
        await reader.all()
    assert reader.text
    assert WHOLE.startswith(reader.text)
    assert (await chat.status(reader.generation_id))["text"] == reader.text
    reply = (await chat.conversation("c1"))["messages"][-1]
    assert (reply["role"], reply["content"], reply["state"]) == ("assistant", reader.text, "cancelled")


async def test_resuming_a_stopped_stream(chat: ChatClient, elsewhere: ChatClient) -> None:
    """A stopped stream can be resumed at any position, and ends in the same durable `end`."""
    async with await chat.send(ENDLESS) as reader:
        await reader.until("chunk", 5)
        reader.cut()
        assert_cancelled(await elsewhere.cancel(reader.generation_id))
    async with await elsewhere.resume(reader.generation_id, "1-2") as second:
        await second.all()
    assert second.frames[0].id == "1-3"
    assert second.end.data["metadata"]["finish_reason"] == "cancelled"


async def test_after_the_end(chat: ChatClient) -> None:
    """Stopping what has ended changes nothing, and says so."""
    reader = await chat.ask(script(length=3))
    receipt = await chat.cancel(reader.generation_id)
    assert receipt.status == 200
    assert receipt.body["status"] == "already_ended"
    assert receipt.body["state"] == "done"
    assert receipt.body["position"] == reader.last_id
    assert (await chat.status(reader.generation_id))["state"] == "done"


async def test_twice(chat: ChatClient, elsewhere: ChatClient) -> None:
    """Stopping twice, one after the other or at once, ends it once."""
    async with await chat.send(ENDLESS) as reader:
        await reader.until("chunk")
        at_once = await asyncio.gather(
            *(client.cancel(reader.generation_id) for client in (chat, elsewhere, chat, elsewhere))
        )
        await reader.all()
    assert reader.end.data["metadata"]["finish_reason"] == "cancelled"
    assert all(receipt.body["state"] == "cancelled" for receipt in at_once)
    assert len({receipt.body["position"] for receipt in at_once}) == 1
    assert (await chat.cancel(reader.generation_id)).body["status"] == "already_ended"


async def test_queued(local: Local, session: ClientSession) -> None:
    """A queued generation is ended at once by any gateway: its log is one `end`."""
    await local.start(worker=False)
    chat, elsewhere = ChatClient(session, local.url), ChatClient(session, await local.add_gateway())
    async with await chat.send("Hello", conversation_id="c1") as reader:
        receipt = await elsewhere.cancel(reader.generation_id)
        await reader.all()
    assert_cancelled(receipt)
    assert [(frame.id, frame.type) for frame in reader.frames if frame.id] == [("1-0", "end")]
    assert receipt.body["position"] == "1-0"
    assert (await chat.conversation("c1"))["messages"][0]["content"] == "Hello"


async def test_a_worker_never_runs_what_was_stopped_in_the_queue(
    local: Local, session: ClientSession
) -> None:
    """A generation that was stopped before any worker came stays stopped when one comes."""
    await local.start(worker=False)
    chat = ChatClient(session, local.url)
    async with await chat.send("Hello") as reader:
        await chat.cancel(reader.generation_id)
    await local.start_worker()
    assert (await chat.ask("Another")).end.type == "end"
    status = await chat.status(reader.generation_id)
    assert (status["state"], status["text"], status["started_ms"]) == ("cancelled", "", None)


async def test_before_the_first_token(chat: ChatClient) -> None:
    """A generation whose model is still silent stops as well."""
    async with await chat.send(script(first_token_delay_s=60)) as reader:
        await reader.until("start")
        assert_cancelled(await chat.cancel(reader.generation_id))
        await reader.all()
    assert [frame.type for frame in reader.frames] == ["start", "end"]
    assert reader.text == ""


async def test_waiting_in_a_conversation(chat: ChatClient, elsewhere: ChatClient) -> None:
    """One that waits for its conversation can be stopped without disturbing the one it waits for."""
    async with await chat.send(script(length=40, rate=100), conversation_id="c1") as first:
        async with await chat.send("Next", conversation_id="c1", on_busy="queue") as second:
            assert_cancelled(await elsewhere.cancel(second.generation_id))
            await second.all()
        await first.all()
    assert [frame.type for frame in second.frames] == ["end"]
    assert first.text == expected_text({"length": 40})
    messages = (await chat.conversation("c1"))["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"]


async def test_unknown(chat: ChatClient) -> None:
    """There is nothing to stop under an unknown id."""
    answer = await chat.cancel("gen_nothing")
    assert answer.status == 404
    assert answer.error["code"] == "not_found"


async def test_a_worker_that_does_not_answer(own_stack: StartStack, session: ClientSession) -> None:
    """Where the worker keeps silent, the receipt is 202 `cancelling`, and the intent is durable."""
    stack = await own_stack(cancel_wait_s=0.2)
    chat, worker = ChatClient(session, stack.gateways[0].url), stack.workers[0]
    async with await chat.send(ENDLESS) as reader:
        await reader.until("chunk")
        worker.signal(signal.SIGSTOP)
        receipt = await chat.cancel(reader.generation_id)
        assert (receipt.status, receipt.body["status"]) == (202, "cancelling")
        worker.signal(signal.SIGCONT)
        await reader.all()
    assert reader.end.data["metadata"]["finish_reason"] == "cancelled"


@pytest.mark.parametrize("reads", [True, False])
async def test_the_upstream_connection_is_closed(
    stack: Stack, chat: ChatClient, session: ClientSession, reads: bool
) -> None:
    """The model server sees its client leave, whether or not anyone reads."""
    async with await chat.send(script(rate=50, length=1000), model="upstream") as reader:
        await reader.until("chunk", 2)
        if not reads:
            reader.cut()
        assert_cancelled(await chat.cancel(reader.generation_id))
    assert stack.upstream is not None
    seen = (await ChatClient(session, stack.upstream.url).call("GET", "/_requests")).body[-1]
    assert seen["disconnected"] is not None
