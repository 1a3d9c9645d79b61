"""Chat completions where keys, broker, heartbeat or gateway are not as usual."""

import asyncio
import signal
from typing import Any

import openai as sdk
import pytest

from tests.conftest import OpenClient, StartStack
from tests.kit.chat_client import script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.openai_streams import said, text_of
from worker.backends.script import expected_text


async def test_a_wrong_key_is_an_authentication_error(local: Local, open_client: OpenClient) -> None:
    """Without the right key there is an AuthenticationError, with it an answer."""
    url = await local.start(api_keys="right")
    with pytest.raises(sdk.AuthenticationError) as refused:
        await open_client(url, api_key="wrong").models.list()
    assert refused.value.type == "authentication_error"
    models = await open_client(url, api_key="right").models.list()
    assert [m.id for m in models.data] == ["scripted", "plain", "single"]


async def test_a_gateway_without_its_broker_is_a_503(local: Local, open_client: OpenClient) -> None:
    """A broker that is away is an InternalServerError of 503 in OpenAI's shape, worth trying again."""
    url = await local.start(worker=False, redis_url="redis://127.0.0.1:1/0")
    with pytest.raises(sdk.InternalServerError) as away:
        await open_client(url).get("/chat/completions/gen_x/stream", cast_to=object)
    assert (away.value.status_code, away.value.code) == (503, "unavailable")
    assert away.value.response.headers["retry-after"] == "1"


async def test_silence_is_filled_with_comments(local: Local, open_client: OpenClient) -> None:
    """Heartbeats are comments that the client does not see, also after frames with an id."""
    url = await local.start(heartbeat_s=0.1)
    message = script(stall_after=2)
    stream = await open_client(url).chat.completions.create(
        model="scripted", messages=said(message), stream=True
    )
    raw = b""
    async for piece in stream.response.aiter_bytes():
        raw += piece
        if raw.count(b": hb worker=") == 2:
            break
    await stream.close()
    assert b"retry:" not in raw
    decoder: Any = open_client(url)._make_sse_decoder()
    events = list(decoder.iter_bytes(iter([raw])))
    assert [bool(event.data) for event in events] == [True] * 3


async def test_a_draining_gateway_finishes_what_cannot_be_resumed(
    own_stack: StartStack, open_client: OpenClient
) -> None:
    """Clients that would not come back get their whole answer from a gateway that is going away."""
    stack = await own_stack(drain_grace_s=10)
    openai = open_client(stack.gateways[0].url)
    message = said(script(rate=20, length=20))
    whole = asyncio.create_task(openai.chat.completions.create(model="scripted", messages=message))
    stream = await openai.chat.completions.create(model="scripted", messages=message, stream=True)
    chunks = [await anext(stream), await anext(stream)]
    await eventually(lambda: len(stack.redis.keys("hr:gen:*")) == 2, "both are under way")
    stack.gateways[0].signal(signal.SIGTERM)
    chunks += [chunk async for chunk in stream]
    assert text_of(chunks) == expected_text({"length": 20})
    assert (await whole).choices[0].message.content == expected_text({"length": 20})
    await stack.add_gateway()
