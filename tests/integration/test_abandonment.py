"""`on_disconnect`: what becomes of a generation that nobody watches any more."""

from aiohttp import ClientSession

from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.stack import upstream_model
from tests.kit.upstream import FakeUpstream

LONG = script(length=1000, rate=20)


async def test_cancel(local: Local, session: ClientSession) -> None:
    """With `cancel` a generation that nobody has watched for the grace is stopped, and says why."""
    async with FakeUpstream() as upstream:
        await local.start(upstream_model(upstream.url), abandon_grace_s=0.3)
        chat = ChatClient(session, local.url)
        async with await chat.send(LONG, on_disconnect="cancel") as reader:
            await reader.until("chunk")
            reader.cut()
        await eventually(lambda: chat.ended(reader.generation_id), "the generation is stopped")
        assert upstream.requests[-1].disconnected is not None
    async with await chat.resume(reader.generation_id) as again:
        await again.all()
    assert again.end.data["metadata"]["finish_reason"] == "cancelled"
    assert again.end.data["metadata"]["reason"] == "abandoned"


async def test_cancel_spares_what_is_watched(local: Local, session: ClientSession) -> None:
    """One reader, anywhere, is enough."""
    await local.start(abandon_grace_s=0.3)
    chat, elsewhere = ChatClient(session, local.url), ChatClient(session, await local.add_gateway())
    async with await chat.send(script(length=30, rate=20), on_disconnect="cancel") as reader:
        await reader.until("chunk")
        async with await elsewhere.resume(reader.generation_id) as other:
            reader.cut()
            await other.all()
    assert other.end.data["metadata"]["finish_reason"] == "stop"


async def test_cancel_grants_a_grace(local: Local, session: ClientSession) -> None:
    """A reader that comes back within the grace finds its stream running."""
    await local.start(abandon_grace_s=30)
    chat = ChatClient(session, local.url)
    async with await chat.send(script(length=30, rate=15), on_disconnect="cancel") as reader:
        await reader.until("chunk")
        reader.cut()
    await eventually(lambda: local.state.relay.empty, "the gateway notices that its reader left")
    async with await chat.resume(reader.generation_id, reader.last_id) as again:
        await again.all()
    assert again.end.data["metadata"]["finish_reason"] == "stop"


async def test_continue(local: Local, session: ClientSession) -> None:
    """With `continue`, the default, a generation comes to its own end although nobody watches."""
    await local.start(abandon_grace_s=0)
    chat = ChatClient(session, local.url)
    async with await chat.send(script(length=30, rate=20)) as reader:
        reader.cut()
    await eventually(lambda: chat.ended(reader.generation_id), "the generation ends")
    assert (await chat.status(reader.generation_id))["finish_reason"] == "stop"
