"""`replaces`: a turn is taken back, with all that followed, for another one."""

import signal

from aiohttp import ClientSession

from shared import keys
from tests.conftest import StartStack
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.stack import upstream_model
from tests.kit.upstream import FakeUpstream

LONG = script(length=1000, rate=100)


async def said(chat: ChatClient) -> list[tuple[str, str]]:
    """The conversation's roles and texts."""
    return [(m["role"], m["content"]) for m in (await chat.conversation("c1"))["messages"]]


async def test_regenerate_and_edit(chat: ChatClient, elsewhere: ChatClient) -> None:
    """The conversation is cut back to before the replaced turn; the new one follows, whatever stood there."""
    first = await chat.ask(script(text="one"), conversation_id="c1")
    second = await chat.ask(script(text="two"), conversation_id="c1")
    again = await elsewhere.ask(script(text="two again"), conversation_id="c1", replaces=second.generation_id)
    assert await said(chat) == [
        *[("user", script(text="one")), ("assistant", "one")],
        *[("user", script(text="two again")), ("assistant", "two again")],
    ]
    edited = await chat.ask(script(text="uno"), conversation_id="c1", replaces=first.generation_id)
    messages = (await chat.conversation("c1"))["messages"]
    assert [m["content"] for m in messages] == [script(text="uno"), "uno"]
    assert {m["generation_id"] for m in messages} == {edited.generation_id}
    assert (await chat.status(again.generation_id))["text"] == "two again"


async def test_the_model_does_not_read_what_was_replaced(local: Local, session: ClientSession) -> None:
    """The conversation is cut before the worker reads it."""
    async with FakeUpstream(echo=True) as upstream:
        await local.start(upstream_model(upstream.url))
        chat = ChatClient(session, local.url)
        await chat.ask("one", conversation_id="c1")
        second = await chat.ask("two", conversation_id="c1")
        await chat.ask("dos", conversation_id="c1", replaces=second.generation_id)
    sent = [m["content"] for m in upstream.requests[-1].body["messages"]]
    assert sent == ["one", "one", "dos"]


async def test_no_such_turn(chat: ChatClient) -> None:
    """A turn that is not in this conversation is 404, and nothing is changed."""
    reader = await chat.ask(conversation_id="c1")
    other = await chat.ask(conversation_id="c2")
    before = await chat.conversation("c1")
    for replaced in ("gen_nothing", other.generation_id):
        refused = await chat.submit("Hi", conversation_id="c1", replaces=replaced)
        assert (refused.status, refused.error["field"]) == (404, "replaces")
    refused = await chat.submit("Hi", conversation_id="c3", replaces=reader.generation_id)
    assert refused.status == 404
    for conversation_id, replaced in ((None, reader.generation_id), ("c1", ""), ("c1", "a b")):
        refused = await chat.submit("Hi", conversation_id=conversation_id, replaces=replaced)
        assert (refused.status, refused.error["field"]) == (400, "replaces")
    assert await chat.conversation("c1") == before
    assert (await chat.call("GET", "/api/conversations/c3")).status == 404


async def test_words_that_look_like_a_turn(chat: ChatClient) -> None:
    """What a user writes is never taken for a turn's beginning."""
    await chat.ask('{"role":"user","generation_id":"gen_1"', conversation_id="c1")
    refused = await chat.submit("Hi", conversation_id="c1", replaces="gen_1")
    assert refused.status == 404


async def test_an_answer_under_way(chat: ChatClient, elsewhere: ChatClient) -> None:
    """By default it is 409; `interrupt` stops it, and no word of it stays in the conversation."""
    async with await chat.send(LONG, conversation_id="c1") as first:
        await first.until("chunk", 3)
        refused = await elsewhere.submit("Hi", conversation_id="c1", replaces=first.generation_id)
        assert (refused.status, refused.error["code"]) == (409, "busy")
        again = await elsewhere.ask(
            script(text="again"),
            conversation_id="c1",
            replaces=first.generation_id,
            on_busy="interrupt",
        )
        await first.all()
    assert first.end.data["metadata"]["finish_reason"] == "cancelled"
    assert await said(chat) == [("user", script(text="again")), ("assistant", "again")]
    assert again.end.type == "end"


async def test_in_its_turn(chat: ChatClient) -> None:
    """`queue` cuts when its turn comes: the answer under way ends as it would have."""
    async with await chat.send(script(length=50, rate=50), conversation_id="c1") as first:
        await first.until("chunk")
        second = await chat.send(
            script(text="again"), conversation_id="c1", replaces=first.generation_id, on_busy="queue"
        )
        await second.until("queued")
        assert len(await said(chat)) == 1
        await first.all()
        await second.all()
    assert first.end.data["metadata"]["finish_reason"] == "stop"
    assert await said(chat) == [("user", script(text="again")), ("assistant", "again")]


async def test_repeated(chat: ChatClient) -> None:
    """With an `Idempotency-Key` the turn is replaced once, and the repetition is not a 404."""
    first = await chat.ask(conversation_id="c1")
    fields = {"conversation_id": "c1", "replaces": first.generation_id}
    key = {"Idempotency-Key": "k1"}
    async with await chat.send("Hi", headers=key, **fields) as second:
        await second.all()
    async with await chat.send("Hi", headers=key, **fields) as third:
        await third.all()
    assert third.generation_id == second.generation_id
    assert len(await said(chat)) == 2


async def test_far_back(chat: ChatClient) -> None:
    """A turn is found however many have followed it."""
    first = await chat.ask(conversation_id="c1")
    for _ in range(40):
        await chat.ask(script(length=1), conversation_id="c1")
    await chat.ask(script(text="uno"), conversation_id="c1", replaces=first.generation_id)
    assert await said(chat) == [("user", script(text="uno")), ("assistant", "uno")]


async def test_a_worker_that_wakes_up_after_its_turn_was_replaced(
    own_stack: StartStack, session: ClientSession
) -> None:
    """What a paused worker still writes of the replaced answer is refused, log and conversation alike."""
    stack = await own_stack(lease_s=1)
    chat, paused = ChatClient(session, stack.gateways[0].url), stack.workers[0]
    async with await chat.send(LONG, conversation_id="c1") as first:
        await first.until("chunk", 3)
        paused.signal(signal.SIGSTOP)
        await stack.add_worker()
        again = await chat.ask(
            script(text="again"), conversation_id="c1", replaces=first.generation_id, on_busy="interrupt"
        )
        await first.all()
    log = stack.redis.xlen(keys.LOG + first.generation_id)
    before = await chat.conversation("c1")
    paused.signal(signal.SIGCONT)

    async def gave_up() -> bool:
        async with session.get(f"{paused.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        running = [line for line in lines if line.startswith("headrace_generations_running")]
        return bool(running) and all(line.endswith(" 0.0") for line in running)

    await eventually(gave_up, "the woken worker gives up what it lost")
    assert await chat.conversation("c1") == before
    assert await said(chat) == [("user", script(text="again")), ("assistant", "again")]
    assert stack.redis.xlen(keys.LOG + first.generation_id) == log
    assert again.end.type == "end"
