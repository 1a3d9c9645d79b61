"""The Python client: typed events, each once and in order, however often its connection breaks."""

import signal
from collections.abc import AsyncIterator, Iterable
from itertools import groupby

import pytest

from headrace import HeadraceClient, HeadraceError
from headrace.events import Chunk, Ended, Event, Failed, Interrupted, Reasoning, Reset, Started, ToolCall
from tests.conftest import StartStack
from tests.kit.chat_client import script
from tests.kit.local import Local
from tests.kit.proxy import CuttingProxy
from tests.kit.stack import MODELS, upstream_model
from tests.kit.upstream import FakeUpstream
from worker.backends.script import expected_text
from worker.backends.scripted import drawn

LENGTH = 8
SAID = script(length=LENGTH)
TEXT = expected_text({"length": LENGTH})
#: `start`, the deltas, `end`.
EVENTS = LENGTH + 2


@pytest.fixture
async def url(local: Local) -> str:
    """A gateway that lets readers come back at once."""
    return await local.start(retry_ms=0)


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[CuttingProxy]:
    """Breaks connections to it."""
    async with CuttingProxy(url) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: CuttingProxy) -> AsyncIterator[HeadraceClient]:
    """A client behind the proxy."""
    async with HeadraceClient(proxy.url) as client:
        yield client


def text_of(events: Iterable[Event]) -> str:
    """The answer that *events* give; a `Reset` voids what came before."""
    text: list[str] = []
    for event in events:
        if isinstance(event, Reset):
            text.clear()
        elif isinstance(event, Chunk):
            text.append(event.text)
    return "".join(text)


def positions(events: Iterable[Event]) -> list[str]:
    """Where the events stand in the log."""
    return [event.position for event in events if event.position is not None]


WHOLE = [f"1-{seq}" for seq in range(EVENTS)]


async def test_typed_events(client: HeadraceClient) -> None:
    """A reply is `Started`, what the model says by its kind, and `Ended` with the usage."""
    reply = client.start(script(length=2, reasoning=1, tool_call=True), conversation_id="c1")
    events = [event async for event in reply]
    assert [type(event) for event in events] == [
        *(Started, Reasoning, Chunk, Chunk),
        *(ToolCall, ToolCall, ToolCall, Ended),
    ]
    assert (reply.conversation_id, reply.generation_id) == ("c1", events[0].generation_id)  # type: ignore[union-attr]
    assert isinstance(events[-1], Ended)
    assert events[-1].usage["completion_tokens"] == 3


async def test_pictures_and_files(local: Local) -> None:
    """A message is texts and attachments in their order; their bytes say what they are, and come back."""
    async with FakeUpstream() as upstream:
        url = await local.start(MODELS + upstream_model(upstream.url, "seeing"))
        async with HeadraceClient(url) as client:
            picture = await client.upload(drawn(1), name='a "cat".png')
            notes = await client.upload("über".encode(), name="notes.txt")
            assert (picture.type, picture.content_type) == ("image", "image/png")
            assert (notes.type, notes.content_type, notes.size) == ("file", "text/plain", 5)
            await client.start(["Look:", picture, "and read", notes], model="seeing").text()
            text, image, *rest = upstream.requests[0].body["messages"][-1]["content"]
            assert (text["text"], image["type"]) == ("Look:", "image_url")
            assert [part["text"] for part in rest] == ["and read", "File notes.txt:\n\nüber"]
            assert await client.blob(picture.blob) == drawn(1)
            for refused, code in (
                (client.upload(b"\0\1"), "unsupported_media_type"),
                (client.blob("../status"), "not_found"),
            ):
                with pytest.raises(HeadraceError) as error:
                    await refused
                assert error.value.code == code


@pytest.mark.parametrize("cut", range(EVENTS))
async def test_a_connection_cut_at_every_event(client: HeadraceClient, proxy: CuttingProxy, cut: int) -> None:
    """P1: cut in front of any event, the reply goes on with it, and its text is whole."""
    proxy.cuts.append(cut)
    events = [event async for event in client.start(SAID)]
    assert proxy.done == 1
    assert [isinstance(event, Interrupted) for event in events].index(True) == cut
    assert positions(events) == WHOLE
    assert text_of(events) == TEXT


async def test_a_connection_for_every_event(client: HeadraceClient, proxy: CuttingProxy) -> None:
    """P1: with a connection that breaks after each single event, the text is whole all the same."""
    proxy.cuts.extend([1] * (EVENTS - 1))
    events = [event async for event in client.start(SAID)]
    assert proxy.done == EVENTS - 1
    assert positions(events) == WHOLE


async def test_a_submission_without_an_answer(
    client: HeadraceClient, proxy: CuttingProxy, local: Local
) -> None:
    """P10: a message whose answer never came is sent again, and generated once."""
    proxy.cuts.extend([-1, -1, 3])
    events = [event async for event in client.start(SAID)]
    assert proxy.done == 3
    assert positions(events) == WHOLE
    assert len(list(local.redis.scan_iter(match="hr:gen:*"))) == 1


async def test_a_killed_worker(own_stack: StartStack) -> None:
    """P3: when the answer starts over, `Reset` says so, and what follows it is whole."""
    stack = await own_stack(lease_s=1)
    events: list[Event] = []
    async with HeadraceClient(stack.gateways[0].url) as client:
        async for event in client.start(script(length=40, rate=40), model="plain"):
            events.append(event)
            if len(events) == 10:
                stack.workers[0].signal(signal.SIGKILL)
                await stack.add_worker()
    assert sum(isinstance(event, Reset) for event in events) == 1
    assert text_of(events) == expected_text({"length": 40})


async def test_cancel(client: HeadraceClient) -> None:
    """P5: `cancel` brings a receipt, and the reply ends as cancelled with the text it has."""
    reply = client.start(script(length=9, stall_after=3))
    events: list[Event] = []
    async for event in reply:
        events.append(event)
        if len(events) == 4:
            receipt = await reply.cancel()
            assert receipt["status"] == "cancelled"
    assert isinstance(events[-1], Ended)
    assert events[-1].finish_reason == "cancelled"
    status = await client.status(str(reply.generation_id))
    assert (status["state"], status["text"]) == ("cancelled", text_of(events))


async def test_another_readers_reply(client: HeadraceClient) -> None:
    """A reply can be read by whoever knows its id, from its start or after any event."""
    reply = client.start(SAID)
    whole = [event async for event in reply]
    generation_id = str(reply.generation_id)
    assert [event async for event in client.resume(generation_id)] == whole
    for k, event in enumerate(whole):
        assert [e async for e in client.resume(generation_id, str(event.position))] == whole[k + 1 :]


async def test_a_key_of_ones_own(client: HeadraceClient) -> None:
    """P10: two replies under one `Idempotency-Key` are one generation."""
    replies = [client.start(SAID, idempotency_key="k1") for _ in range(2)]
    first, second = [[event async for event in reply] for reply in replies]
    assert first == second
    assert replies[0].generation_id == replies[1].generation_id


async def test_the_whole_text(client: HeadraceClient, proxy: CuttingProxy) -> None:
    """`text` gives the whole answer over all connections, and raises when the generation failed."""
    proxy.cuts.extend([3, 2])
    assert await client.start(SAID).text() == TEXT
    with pytest.raises(HeadraceError) as failed:
        await client.start(script(fail_after=1, fail_code="upstream_rejected")).text()
    assert failed.value.code == "upstream_rejected"


async def test_a_failed_generation(client: HeadraceClient) -> None:
    """A generation that fails ends in `Failed` with our code; what was said before stands."""
    events = [e async for e in client.start(script(length=9, fail_after=2, fail_code="upstream_rejected"))]
    assert isinstance(events[-1], Failed)
    assert events[-1].code == "upstream_rejected"
    assert text_of(events) == " ".join(TEXT.split()[:2])


async def test_a_refusal_is_final(client: HeadraceClient, proxy: CuttingProxy) -> None:
    """What the server refuses raises at once with its code and status; it is not tried again."""
    with pytest.raises(HeadraceError) as refused:
        _ = [event async for event in client.start("Hello", model="nobody")]
    assert (refused.value.code, refused.value.status) == ("unknown_model", 400)


async def test_api_key(local: Local) -> None:
    """The API key goes with every request; without it the server refuses."""
    url = await local.start(api_keys="mine")
    async with HeadraceClient(url, api_key="mine") as client:
        assert text_of([event async for event in client.start(SAID)]) == TEXT
    async with HeadraceClient(url) as client:
        with pytest.raises(HeadraceError) as refused:
            await client.status("gen_1")
    assert (refused.value.code, refused.value.status) == ("unauthorized", 401)


async def test_typed_content(client: HeadraceClient, proxy: CuttingProxy) -> None:
    """Chunks say what they are pieces of, each once although the connection breaks at every frame."""
    text = "```js\nlet a\n```\n| a |\n|---|\n| 1 |\n"
    proxy.cuts.extend([1] * 6)
    reply = client.start(script(text=text, length=100, rate=0, batch=100), multimodal=True)
    chunks = [event async for event in reply if isinstance(event, Chunk) and event.text]
    assert "".join(chunk.text for chunk in chunks) == text
    kinds = [kind for kind, _ in groupby(chunk.content_type for chunk in chunks)]
    assert kinds == ["text", "code", "text", "table"]
    rows = [row for chunk in chunks for row in (chunk.data or {}).get("tableData", [])]
    assert rows == [["a"], ["1"]]


async def test_a_cut_reply_goes_on(client: HeadraceClient) -> None:
    """`continue_reply` gives the whole text: what was there, marked as given, and the rest."""
    cut = client.start(SAID, conversation_id="c1", max_tokens=3)
    begun = await cut.text()
    assert cut.generation_id is not None
    events = [event async for event in client.continue_reply(cut.generation_id, conversation_id="c1")]
    assert [event.continues for event in events if isinstance(event, Started)] == [cut.generation_id]
    assert [event.text for event in events if isinstance(event, Chunk) and event.given] == [begun]
    assert text_of(events) == TEXT
    with pytest.raises(HeadraceError) as refused:
        await client.continue_reply(cut.generation_id, conversation_id="c1").text()
    assert (refused.value.code, refused.value.status) == ("not_found", 404)
