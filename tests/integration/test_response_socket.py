"""Responses over a WebSocket: the events of HTTP as texts, one response at a time."""

import json
import signal
from typing import Any, cast

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from openai import APIStatusError, AsyncOpenAI

from tests.conftest import OpenClient, StartStack
from tests.kit.chat_client import script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.openai_streams import RESPONSES, events_of
from tests.kit.stack import MODELS, upstream_model
from tests.kit.upstream import FakeUpstream
from worker.backends.script import expected_text

TEXT = expected_text({"length": 20})


async def create(socket: ClientWebSocketResponse, message: Any = "Hello", **fields: Any) -> None:
    """Ask for a response."""
    await socket.send_json({"type": "response.create", "model": "scripted", "input": message, **fields})


async def turn(
    socket: ClientWebSocketResponse, message: Any = "Hello", **fields: Any
) -> list[dict[str, Any]]:
    """Ask for a response and read it to its end."""
    await create(socket, message, **fields)
    return await read(socket)


async def read(socket: ClientWebSocketResponse) -> list[dict[str, Any]]:
    """All events up to the end of a response, or to an error."""
    events = []
    while True:
        events.append(json.loads(await socket.receive_str(timeout=10)))
        kind = events[-1]["type"]
        if kind == "error" or kind in {"response.completed", "response.failed", "response.incomplete"}:
            return events


@pytest.fixture
async def openai(local: Local, open_client: OpenClient) -> AsyncOpenAI:
    """OpenAI's client of a gateway."""
    return open_client(await local.start())


async def test_the_events_of_http(local: Local, openai: AsyncOpenAI, session: ClientSession) -> None:
    """The same events with the same numbers, each a text of its own, and nothing else."""
    said = script(length=3, reasoning=2, tool_call=True)
    kinds = [event.type for event in await events_of(openai, said)]
    async with session.ws_connect(local.url + RESPONSES) as socket:
        for _ in range(2):
            events = await turn(socket, said)
            assert [event["type"] for event in events] == kinds
            assert [event["sequence_number"] for event in events] == list(range(len(events)))
            assert events[-1]["response"]["output"][1]["content"][0]["text"] == expected_text({"length": 3})


async def test_the_published_client(openai: AsyncOpenAI) -> None:
    """OpenAI's own client connects, asks and reads."""
    async with openai.responses.connect() as connection:
        await connection.response.create(model="scripted", input="Hello")
        async for event in connection:
            if event.type == "response.completed":
                assert event.response.output_text == TEXT
                break


async def test_going_on_from_what_is_not_stored(
    local: Local, openai: AsyncOpenAI, session: ClientSession
) -> None:
    """The last response may be gone on from over its connection alone, though it is not stored."""
    async with (
        session.ws_connect(local.url + RESPONSES) as socket,
        session.ws_connect(local.url + RESPONSES) as other,
    ):
        first = (await turn(socket, store=False))[-1]["response"]["id"]
        [refused] = await turn(other, "More", previous_response_id=first)
        assert (refused["status"], refused["error"]["code"]) == (404, "previous_response_not_found")
        second = (await turn(socket, "More", store=False, previous_response_id=first))[-1]["response"]
        assert second["previous_response_id"] == first
        [refused] = await turn(socket, "More", previous_response_id=first)
        assert refused["error"]["code"] == "previous_response_not_found"


async def test_a_failed_turn_lets_go(local: Local, openai: AsyncOpenAI, session: ClientSession) -> None:
    """After a turn that was refused or failed, what is not stored is gone; what is stored is not."""
    failing = script(length=5, fail_after=2, fail_code="upstream_rejected")
    async with session.ws_connect(local.url + RESPONSES) as socket:
        first = (await turn(socket, store=False))[-1]["response"]["id"]
        assert (await turn(socket, failing, previous_response_id=first))[-1]["type"] == "response.failed"
        assert (await turn(socket, previous_response_id=first))[-1]["error"][
            "param"
        ] == "previous_response_id"
        kept = (await turn(socket))[-1]["response"]["id"]
        await turn(socket, failing)
        assert (await turn(socket, previous_response_id=kept))[-1]["type"] == "response.completed"


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("{", None),
        ("[]", None),
        ('{"type": "response.steer"}', "type"),
        ('{"type": "response.create"}', "input"),
        ('{"type": "response.create", "input": "x", "background": true}', "background"),
        ('{"type": "response.create", "input": "x", "model": "nope"}', "model"),
        ('{"type": "response.create", "input": "x", "odd": 1}', "odd"),
    ],
)
async def test_what_is_refused(
    local: Local, openai: AsyncOpenAI, session: ClientSession, message: str, param: str | None
) -> None:
    """It is an `error` event with a status, and the connection stays."""
    async with session.ws_connect(local.url + RESPONSES) as socket:
        await socket.send_str(message)
        [refused] = await read(socket)
        assert refused["error"]["param"] == param
        assert refused["status"] in {400, 404}
        assert (await turn(socket))[-1]["type"] == "response.completed"


async def test_one_at_a_time_and_hanging_up_stops(local: Local, session: ClientSession) -> None:
    """A second request is refused while the first is answered; closing ends what the model server does."""
    async with FakeUpstream(length=10) as upstream:
        await local.start(MODELS + upstream_model(upstream.url), abandon_grace_s=0.2)
        async with session.ws_connect(local.url + RESPONSES) as socket:
            await create(socket, script(rate=20, length=1000), model="upstream")
            while json.loads(await socket.receive_str())["type"] != "response.output_text.delta":
                pass
            await create(socket)
            events = await read(socket)
            assert (events[-1]["type"], events[-1]["status"]) == ("error", 409)
        await eventually(lambda: upstream.requests[-1].disconnected is not None, "the model server is left")


async def test_only_pages_that_may(local: Local, openai: AsyncOpenAI, session: ClientSession) -> None:
    """A page of another origin opens none, as no browser asks for it; other requests are told what it is."""
    with pytest.raises(WSServerHandshakeError) as refused:
        await session.ws_connect(local.url + RESPONSES, origin="https://example.org")
    assert refused.value.status == 403
    async with session.get(local.url + RESPONSES) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "invalid_request")


async def test_a_gateway_that_stops(own_stack: StartStack, session: ClientSession) -> None:
    """P8: what is idle is closed with 1001; what is being written comes to its end first."""
    stack = await own_stack(drain_grace_s=10)
    gateway = stack.gateways[0]
    async with (
        session.ws_connect(gateway.url + RESPONSES) as idle,
        session.ws_connect(gateway.url + RESPONSES) as busy,
    ):
        await create(busy, script(length=20, rate=40))
        await busy.receive_str()
        gateway.signal(signal.SIGTERM)
        assert (await idle.receive(timeout=5)).type is WSMsgType.CLOSE
        assert (await read(busy))[-1]["response"]["output"][0]["content"][0]["text"] == TEXT
        assert (await busy.receive(timeout=5)).type is WSMsgType.CLOSE
        assert (idle.close_code, busy.close_code) == (1001, 1001)
    assert await gateway.ended() == 0


async def test_compacting(openai: AsyncOpenAI) -> None:
    """What the user said stays, all else becomes one item, which the next request is made with."""
    said: list[Any] = [{"role": "user", "content": "How high?"}, {"role": "assistant", "content": "Hm."}]
    first = await openai.responses.create(model="scripted", input=said)
    short = await openai.responses.compact(model="scripted", previous_response_id=first.id)
    assert short.object == "response.compaction"
    assert [item.type for item in short.output] == ["message", "compaction"]
    items: list[Any] = [item.model_dump(exclude_none=True) for item in short.output]
    again = await openai.responses.create(model="scripted", input=[*items, {"role": "user", "content": "?"}])
    assert again.status == "completed"
    listed = (await openai.responses.input_items.list(again.id, order="asc")).data
    assert [item.type for item in listed] == ["message", "compaction", "message"]
    second = await openai.responses.create(model="scripted", input="And now?", previous_response_id=first.id)
    both = await openai.responses.compact(model="scripted", previous_response_id=second.id)
    assert [item.type for item in both.output] == ["message", "message", "compaction"]
    half = {"max_output_tokens": 1}
    with pytest.raises(APIStatusError, match="no whole summary"):
        await openai.with_options(max_retries=0).responses.compact(
            model="scripted", input="Hello", extra_body=half
        )


async def test_counting(openai: AsyncOpenAI) -> None:
    """A request's tokens, those of the response before it included, without asking a model server."""
    few = await openai.responses.input_tokens.count(model="scripted", input="Hello")
    first = await openai.responses.create(model="scripted", input="x" * 400)
    more = await openai.responses.input_tokens.count(
        model="scripted", input="Hello", previous_response_id=first.id
    )
    assert 0 < few.input_tokens < 10
    assert more.input_tokens > few.input_tokens + 100


async def test_reasoning_that_its_client_keeps(openai: AsyncOpenAI) -> None:
    """With `include`, of the request or of a retrieval, reasoning is told sealed too; it is taken back."""
    said, sealed = script(reasoning=2, length=2), cast(Any, "reasoning.encrypted_content")
    plain = await openai.responses.create(model="scripted", input=said)
    asked = await openai.responses.create(model="scripted", input=said, include=[sealed])
    later = await openai.responses.retrieve(plain.id, include=[sealed])
    contents = [getattr(each.output[0], "encrypted_content", None) for each in (plain, asked, later)]
    assert contents[0] is None
    assert contents[1] == contents[2]
    assert contents[1] is not None
    again: list[Any] = [item.model_dump(exclude_none=True) for item in asked.output]
    again.append({"role": "user", "content": "?"})
    assert (await openai.responses.create(model="scripted", input=again, store=False)).status == "completed"
