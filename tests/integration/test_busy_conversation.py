"""`on_busy`: what a message does to the answer that is being given in its conversation."""

from tests.kit.chat_client import ChatClient, script
from worker.backends.script import expected_text

LONG = script(length=1000, rate=100)


async def test_reject(chat: ChatClient, elsewhere: ChatClient) -> None:
    """By default a second message is refused with the active generation's id, and changes nothing."""
    async with await chat.send(LONG, conversation_id="c1") as first:
        await first.until("chunk")
        refused = await elsewhere.submit("Second", conversation_id="c1")
        assert refused.status == 409
        assert refused.error["code"] == "busy"
        assert refused.error["field"] == "conversation_id"
        assert refused.error["detail"] == {"generation_id": first.generation_id}
        assert (await first.next()) is not None
        assert len((await chat.conversation("c1"))["messages"]) == 1


async def test_interrupt(chat: ChatClient, elsewhere: ChatClient) -> None:
    """`interrupt` stops the active answer, keeps what it said, and answers next."""
    async with await chat.send(LONG, conversation_id="c1") as first:
        await first.until("chunk", 3)
        second = await elsewhere.ask(script(length=4), conversation_id="c1", on_busy="interrupt")
        await first.all()
    assert first.end.data["metadata"]["finish_reason"] == "cancelled"
    assert first.end.data["metadata"]["reason"] == "interrupted"
    assert second.text == expected_text({"length": 4})
    messages = (await chat.conversation("c1"))["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"] * 2
    assert messages[1]["content"] == first.text
    assert messages[3]["content"] == second.text


async def test_queue(chat: ChatClient, elsewhere: ChatClient) -> None:
    """`queue` waits for its turn, in order, and says so; the conversation reads as if nobody had hurried."""
    async with await chat.send(script(length=50, rate=50), conversation_id="c1") as first:
        await first.until("chunk")
        second = await elsewhere.send(script(text="two"), conversation_id="c1", on_busy="queue")
        third = await chat.send(script(text="three"), conversation_id="c1", on_busy="queue")
        for place, reader in enumerate((second, third), 1):
            queued = await reader.next()
            assert queued is not None
            assert (queued.id, queued.type) == (None, "queued")
            assert queued.data["metadata"] == {"position": place}
        await first.all()
        await second.all()
        await third.all()
    assert (second.text, third.text) == ("two", "three")
    messages = (await chat.conversation("c1"))["messages"]
    assert [m["content"] for m in messages if m["role"] == "assistant"] == [first.text, "two", "three"]
    assert [m["role"] for m in messages] == ["user", "assistant"] * 3


async def test_others_do_not_wait(chat: ChatClient) -> None:
    """A busy conversation holds up no other one."""
    async with await chat.send(LONG, conversation_id="c1") as first:
        await first.until("chunk")
        assert (await chat.ask("Hello", conversation_id="c2")).end.type == "end"


async def test_free_again_after_the_end(chat: ChatClient) -> None:
    """Once an answer has ended, cancelled or failed, its conversation takes the next message."""
    await chat.ask(script(length=3), conversation_id="c1")
    await chat.ask(script(fail_after=1, fail_code="upstream_rejected"), conversation_id="c1")
    async with await chat.send(LONG, conversation_id="c1") as reader:
        await reader.until("chunk")
        await chat.cancel(reader.generation_id)
    assert (await chat.ask(script(length=3), conversation_id="c1")).end.type == "end"


async def test_the_line_is_bounded(chat: ChatClient) -> None:
    """Only so many may wait in one conversation; the next is told to come back."""
    async with await chat.send(LONG, conversation_id="c1") as first:
        await first.until("chunk")
        waiting = [await chat.send("Hi", conversation_id="c1", on_busy="queue") for _ in range(20)]
        refused = await chat.submit("Hi", conversation_id="c1", on_busy="queue")
        assert refused.status == 429
        assert refused.error["code"] == "too_busy"
        assert int(refused.headers["Retry-After"]) >= 1
        for reader in waiting:
            await chat.cancel(reader.generation_id)
