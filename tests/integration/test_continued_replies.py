"""`continues`: a reply that its length has cut goes on from its own text, as one message."""

import json
import signal
from typing import Any

from aiohttp import ClientSession

from shared.event_log import EventLog
from shared.events import Reasoning, Start, Text, ToolCall, decode
from shared.messages import count_tokens, message_tokens
from tests.conftest import StartStack
from tests.kit.chat_client import Answer, ChatClient, script
from tests.kit.hand import Hand, die
from tests.kit.local import Local
from tests.kit.reader import Reader
from tests.kit.stack import MODELS, upstream_model
from tests.kit.upstream import FakeUpstream
from worker.backends.script import expected_text

WHOLE = expected_text({"length": 30})
ASK = script(length=30)


def go_on(reader: Reader, **fields: Any) -> dict[str, Any]:
    """The body that continues what *reader* has read."""
    return {"conversation_id": "c1", "continues": reader.generation_id, **fields}


async def continued(chat: ChatClient, reader: Reader, **fields: Any) -> Reader:
    """Have a reply go on, and read all of it."""
    async with await chat.open("POST", "/api/chat/stream", json=go_on(reader, **fields)) as following:
        assert following.status == 200
        await following.all()
    return following


async def refused(chat: ChatClient, **body: Any) -> tuple[int, str]:
    """How a request is refused."""
    answer: Answer = await chat.call("POST", "/api/chat/stream", json=body)
    return answer.status, answer.error["code"]


async def messages(chat: ChatClient) -> list[dict[str, Any]]:
    """Of the one conversation."""
    said: list[dict[str, Any]] = (await chat.conversation("c1"))["messages"]
    return said


async def test_twice_in_a_row(chat: ChatClient, elsewhere: ChatClient) -> None:
    """Each goes on where the last was cut: one message, of the newest generation, whose stream has all."""
    cut = await chat.ask(ASK, conversation_id="c1", max_tokens=10)
    assert cut.end.data["metadata"]["finish_reason"] == "length"
    second = await continued(elsewhere, cut, max_tokens=10)
    third = await continued(chat, second)
    assert second.text == expected_text({"length": 20})
    assert third.text == WHOLE
    start, given = third.frames[:2]
    assert start.data["metadata"]["continues"] == second.generation_id
    assert (given.data["content"], given.data["metadata"]["given"]) == (second.text, True)
    question, reply = await messages(chat)
    assert (question["content"], reply["content"]) == (ASK, WHOLE)
    assert question["generation_id"] == reply["generation_id"] == third.generation_id
    assert reply["finish_reason"] == third.end.data["metadata"]["finish_reason"] == "stop"
    # Each has its own cost; the message, what it has cost in all.
    assert third.end.data["metadata"]["usage"]["completion_tokens"] == 10
    assert reply["usage"]["completion_tokens"] == 30
    assert (await chat.status(third.generation_id))["text"] == WHOLE


async def test_what_the_model_reads(local: Local, session: ClientSession) -> None:
    """The conversation up to the question, and the text once, as the answer's beginning; both are counted."""
    async with FakeUpstream(length=10, usage=False) as upstream:
        await local.start(upstream_model(upstream.url, can_continue=True))
        chat = ChatClient(session, local.url)
        await chat.ask("one", conversation_id="c1")
        cut = await chat.ask(script(finish_reason="length", length=4), conversation_id="c1")
        following = await continued(chat, cut)
    sent = upstream.requests[-1].body["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "user", "assistant"]
    assert sent[-1]["content"] == cut.text
    assert following.text.startswith(cut.text)
    counted = sum(message_tokens(message) for message in sent[:-1]) + count_tokens(cut.text)
    assert following.end.data["metadata"]["usage"]["prompt_tokens"] == counted


async def test_over_a_workers_death(own_stack: StartStack, session: ClientSession) -> None:
    """Whoever takes it over has the text from the log: nothing is missing, twice or reset."""
    stack = await own_stack(lease_s=0.5)
    chat = ChatClient(session, stack.gateways[0].url)
    ask = script(length=60, rate=40)
    cut = await chat.ask(ask, conversation_id="c1", max_tokens=10)
    async with await chat.open("POST", "/api/chat/stream", json=go_on(cut)) as reader:
        await reader.until("chunk", 5)
        stack.workers[0].signal(signal.SIGKILL)
        await stack.add_worker()
        await reader.all()
    assert reader.text == expected_text({"length": 60})
    assert not [frame for frame in reader.frames if frame.type == "reset"]
    assert [m["content"] for m in await messages(chat)] == [ask, reader.text]


async def test_a_reset_keeps_what_was_given(local: Local, session: ClientSession) -> None:
    """A call cannot be continued, so the answer starts over: after the given text."""
    await local.start()
    chat = ChatClient(session, local.url)
    cut = await chat.ask(ASK, conversation_id="c1", max_tokens=10)
    await local.stop_worker()
    hand = Hand(local.state.broker, "a")
    async with await chat.open("POST", "/api/chat/stream", json=go_on(cut)) as reader:
        assert await hand.claim(reader.generation_id) is not None
        given = Text(ts=1, text=cut.text, tokens=0, given=True)
        call = ToolCall(ts=2, index=0, id="call_1", name="look")
        await hand.write(reader.generation_id, Start(ts=1, model="scripted"), given, call)
        die(local.redis, reader.generation_id)
        await local.start_worker()
        await reader.all()
    assert [frame.type for frame in reader.frames][:5] == ["start", "chunk", "tool_call", "reset", "chunk"]
    assert reader.text == WHOLE
    [_, reply] = await messages(chat)
    assert (reply["content"], "tool_calls" in reply) == (WHOLE, False)


async def test_reasoning_stays(local: Local, session: ClientSession) -> None:
    """The joined message has the reasoning of the first part, and how long that took."""
    await local.start()
    chat = ChatClient(session, local.url)
    cut = await chat.ask(script(length=30, reasoning=5, rate=100), conversation_id="c1", max_tokens=10)
    [_, before] = await messages(chat)
    following = await continued(chat, cut)
    [_, reply] = await messages(chat)
    assert reply["content"] == WHOLE
    assert (reply["reasoning"], reply["reasoning_ms"]) == (before["reasoning"], before["reasoning_ms"])
    log = [
        decode(entry.event)
        async for page in EventLog(local.state.broker).pages(following.generation_id)
        for entry in page
    ]
    assert [type(event) for event in log if getattr(event, "given", False)] == [Reasoning, Text]


async def test_a_model_that_cannot(chat: ChatClient) -> None:
    """It is refused by a code of its own, whoever said the text; the one asked for by name counts."""
    cut = await chat.ask(ASK, conversation_id="c1", model="plain", max_tokens=10)
    assert await refused(chat, **go_on(cut)) == (400, "model_cannot_continue")
    following = await continued(chat, cut, model="scripted")
    assert following.text == WHOLE


async def test_stopped_before_a_word(chat: ChatClient) -> None:
    """The reply stays as it was, and can still be continued."""
    cut = await chat.ask(script(length=30, first_token_delay_s=0.5), conversation_id="c1", max_tokens=10)
    before = await messages(chat)
    async with await chat.open("POST", "/api/chat/stream", json=go_on(cut)) as reader:
        await reader.until("chunk")
        await chat.cancel(reader.generation_id)
        await reader.all()
    assert reader.text == cut.text
    assert await messages(chat) == before
    assert (await continued(chat, cut)).text == WHOLE


async def test_failed_before_a_word(local: Local, session: ClientSession) -> None:
    """Likewise where the model refuses to; the failure is in the stream, and in the record."""
    async with FakeUpstream(status=400) as upstream:
        models = upstream_model(upstream.url, can_continue=True)
        await local.start(MODELS + models)
        chat = ChatClient(session, local.url)
        cut = await chat.ask(ASK, conversation_id="c1", max_tokens=10)
        before = await messages(chat)
        failed = await continued(chat, cut, model="upstream")
    assert failed.end.data["metadata"]["code"] == "upstream_rejected"
    assert (await chat.status(failed.generation_id))["state"] == "failed"
    assert await messages(chat) == before
    assert (await continued(chat, cut)).text == WHOLE


async def test_stopped_in_the_middle(chat: ChatClient) -> None:
    """What was added is kept, joined."""
    ask = script(length=1000, rate=50)
    cut = await chat.ask(ask, conversation_id="c1", max_tokens=3)
    async with await chat.open("POST", "/api/chat/stream", json=go_on(cut)) as reader:
        await reader.until("chunk", 5)
        assert await refused(chat, **go_on(cut)) == (409, "busy")
        assert await refused(chat, **go_on(reader)) == (409, "busy")
        # The history has the first part until then.
        assert [m["content"] for m in await messages(chat)] == [ask, cut.text]
        await chat.cancel(reader.generation_id)
        await reader.all()
    [_, reply] = await messages(chat)
    assert (reply["content"], reply["state"]) == (reader.text, "cancelled")
    assert reader.text.startswith(cut.text) and len(reader.text) > len(cut.text)
    assert await refused(chat, **go_on(reader)) == (409, "not_continuable")


async def test_refused(chat: ChatClient, elsewhere: ChatClient) -> None:
    """Each case has its own word; nothing is changed, and nothing is asked of a model."""
    cut = await chat.ask(ASK, conversation_id="c1", max_tokens=10)
    whole = await chat.ask(ASK, conversation_id="c2")
    assert await refused(chat, conversation_id="c2", continues=whole.generation_id) == (
        409,
        "not_continuable",
    )
    assert await refused(chat, conversation_id="c2", continues=cut.generation_id) == (404, "not_found")
    assert await refused(chat, conversation_id="c3", continues=cut.generation_id) == (404, "not_found")
    assert await refused(chat, continues=cut.generation_id) == (400, "invalid_request")
    assert await refused(chat, **go_on(cut, message="And?")) == (400, "invalid_request")
    assert await refused(chat, **go_on(cut, replaces=cut.generation_id)) == (400, "invalid_request")
    assert await refused(chat, **go_on(cut, on_busy="queue")) == (400, "invalid_request")
    assert await refused(chat, **go_on(cut, model="none")) == (400, "unknown_model")
    assert await refused(chat, conversation_id="c1") == (400, "invalid_request")
    await chat.ask("Next", conversation_id="c1")
    before = await chat.conversation("c1")
    assert await refused(elsewhere, **go_on(cut)) == (409, "not_continuable")
    assert await chat.conversation("c1") == before


async def test_another_owner(local: Local, session: ClientSession) -> None:
    """A stranger's conversation is not there, whatever it is called."""
    await local.start(api_keys="alice,bob")
    alice, bob = (ChatClient(session, local.url, key) for key in ("alice", "bob"))
    cut = await alice.ask(ASK, conversation_id="c1", max_tokens=10)
    assert await refused(bob, **go_on(cut)) == (404, "not_found")
    await bob.ask(ASK, conversation_id="c1", max_tokens=10)
    assert await refused(bob, **go_on(cut)) == (404, "not_found")
    assert (await continued(alice, cut)).text == WHOLE


async def test_once(chat: ChatClient, elsewhere: ChatClient) -> None:
    """With an `Idempotency-Key` it is continued once, and the repetition is no refusal."""
    cut = await chat.ask(ASK, conversation_id="c1", max_tokens=10)
    key = {"Idempotency-Key": "k1"}
    ids = set()
    for client in (chat, elsewhere):
        async with await client.open("POST", "/api/chat/stream", json=go_on(cut), headers=key) as reader:
            await reader.all()
        assert reader.text == WHOLE
        ids.add(reader.generation_id)
    assert len(ids) == 1
    assert [m["content"] for m in await messages(chat)] == [ASK, WHOLE]


async def test_replaced_afterwards(chat: ChatClient) -> None:
    """The joined turn is one like any other: a question asked anew takes all of it back."""
    cut = await chat.ask(ASK, conversation_id="c1", max_tokens=10)
    following = await continued(chat, cut)
    await chat.ask(script(text="uno"), conversation_id="c1", replaces=following.generation_id)
    assert [m["content"] for m in await messages(chat)] == [script(text="uno"), "uno"]


async def test_a_length_that_is_counted(local: Local, session: ClientSession) -> None:
    """
    The conversation's bytes are counted as they are, so its bound holds after many continuations; a branch
    that began after the reply begins after what takes its place.
    """
    await local.start(MODELS, max_conversation_bytes=20_000)
    chat = ChatClient(session, local.url)
    reader = await chat.ask(script(length=60), conversation_id="c1", max_tokens=10)
    [key] = list(local.redis.scan_iter(match="hr:msgs:*"))
    conversation = key.replace(b"msgs", b"conv")
    fork = {"after": reader.generation_id, "first": "gen_another", "ts": 1, "bytes": 0}
    local.redis.hset(conversation, "forks", json.dumps([fork]))
    for _ in range(4):
        reader = await continued(chat, reader, max_tokens=10)
    kept = sum(map(len, local.redis.lrange(key, 0, -1)))
    assert int(local.redis.hget(conversation, "bytes")) == kept
    [fork] = json.loads(local.redis.hget(conversation, "forks"))
    assert fork["after"] == reader.generation_id
