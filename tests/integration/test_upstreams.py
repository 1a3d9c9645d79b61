"""P14 in a system: several upstreams behind one model, and what becomes of those that are not well."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession

from shared import keys, metrics
from shared.models import Model, Models
from shared.upstream import UpstreamEntry
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.reader import Reader
from tests.kit.upstream import FakeUpstream
from worker import producer
from worker.backends.script import expected_text
from worker.backends.scripted import drawn
from worker.health import Health
from worker.upstreams import Upstreams

LENGTH = 10
TEXT = expected_text({"length": LENGTH})


@pytest.fixture
async def two(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[FakeUpstream, FakeUpstream]]:
    """Two servers of the same answers."""
    monkeypatch.setattr(producer, "_BACKOFF_S", 0.01)
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(FakeUpstream(length=LENGTH)),
            await stack.enter_async_context(FakeUpstream(length=LENGTH)),
        )


def model(*servers: FakeUpstream, name: str = "two", each: str = "", **options: Any) -> str:
    """A models.toml whose model has these; *each* for every upstream."""
    quoted = name if name.isalnum() else f'"{name}"'
    toml = f"[models.{quoted}]\n" + "".join(f"{key} = {value}\n" for key, value in options.items())
    for server in servers:
        toml += f'[[models.{quoted}.upstreams]]\nbase_url = "{server.url}"\n{each}\n'
    return toml


Two = tuple[FakeUpstream, FakeUpstream]


@pytest.mark.parametrize(
    ("behaviour", "asked", "code"),
    [
        ({"status": 429, "retry_after": "3600"}, 1, None),
        ({"status": 401}, 1, None),
        ({"status": 404}, 1, None),
        ({"status": 400}, 0, "upstream_rejected"),
        ({"status": 422}, 0, "upstream_rejected"),
        ({"status": 400, "message": "maximum context length is 10"}, 0, "context_length_exceeded"),
        ({"error_frame_after": 0}, 1, None),
    ],
)
async def test_what_moves_on(
    local: Local, session: ClientSession, two: Two, behaviour: dict[str, Any], asked: int, code: str | None
) -> None:
    """At once, whatever that server asks for; but a request that is wrong is wrong everywhere."""
    first, second = two
    first.behaviour = FakeUpstream(length=LENGTH, **behaviour).behaviour
    await local.start(model(first, second))
    reader = await ChatClient(session, local.url).ask()
    assert len(second.requests) == asked
    assert reader.end.data["metadata"].get("code") == code
    assert reader.text == (TEXT if code is None else "")


async def test_one_that_is_silent_is_not_asked_again(local: Local, session: ClientSession, two: Two) -> None:
    """Though time is left, and the other one refuses for good."""
    silent, refusing = two
    silent.behaviour = FakeUpstream(never_answer=True).behaviour
    refusing.behaviour = FakeUpstream(status=401).behaviour
    await local.start(model(*two, first_token_timeout_s=10, each="first_token_timeout_s = 0.3"))
    reader = await ChatClient(session, local.url).ask()
    assert reader.end.type == "error"
    assert [len(server.requests) for server in two] == [1, 1]


async def test_one_that_is_down_is_left_alone_until_it_is_well(
    local: Local, session: ClientSession, two: Two
) -> None:
    """After three failures it gets no request, and the broker says why; tried out and well, it does again."""
    first, second = two
    well, first.behaviour = first.behaviour, FakeUpstream(status=500).behaviour
    await local.start(model(first, second, cool_down_s=0.5))
    chat = ChatClient(session, local.url)
    for _ in range(6):
        assert (await chat.ask()).text == TEXT
    assert [seen.message for seen in first.requests].count("Hello") == 3
    await eventually(lambda: local.redis.keys(keys.UPSTREAM + "*"), "the others are told")
    tried = len(first.requests)
    await eventually(lambda: len(first.requests) > tried, "it is tried out, and is still down")
    assert (await chat.ask()).text == TEXT
    assert [seen.message for seen in first.requests].count("Hello") == 3, "no reader pays for that"
    first.behaviour = well

    async def asked_again() -> bool:
        await chat.ask()
        return [seen.message for seen in first.requests].count("Hello") > 3

    await eventually(asked_again, "it is asked again")


async def test_what_another_worker_knows(local: Local, session: ClientSession, two: Two) -> None:
    """A server that another worker leaves alone is left alone here, for as long as the broker says so."""
    first, second = two
    await local.start(model(first, second, cool_down_s=60))
    chat = ChatClient(session, local.url)
    first.behaviour = FakeUpstream(status=401).behaviour
    await chat.ask()
    await eventually(lambda: local.redis.keys(keys.UPSTREAM + "*"), "it is told")
    first.behaviour = second.behaviour
    await local.stop_worker()
    await local.start_worker()
    [key] = local.redis.keys(keys.UPSTREAM + "*")
    await asyncio.sleep(0.7)
    before = len(first.requests)
    await chat.ask()
    assert len(first.requests) == before
    local.redis.pexpire(key, 1)

    async def asked() -> bool:
        await chat.ask()
        return len(first.requests) > before + 1

    await eventually(asked, "it is tried out, and asked")


async def test_one_worker_tries_it_out(local: Local) -> None:
    """And tells all that it is well, at once: what others have just read of it may be older."""
    await local.start(worker=False)
    parameters: dict[str, Any] = {"rate": 0, "length": 1}
    known = Models({"m": Model(backend="scripted", parameters=parameters, upstreams=[UpstreamEntry()] * 2)})
    ours, theirs = (Health(local.state.broker, Upstreams(known)) for _ in range(2))
    upstream = ours._shared[0]
    upstream.breaker.open("upstream_failed", 0)
    assert await ours._first(upstream)
    assert not await theirs._first(upstream)
    await ours._try_out(upstream)
    assert upstream.breaker.closed
    assert local.redis.get(ours._key(upstream)) == b"well"


async def test_silence_is_within_the_replys_own_limit(local: Local, session: ClientSession, two: Two) -> None:
    """Two silent servers take no longer together than one may."""
    first, second = two
    first.behaviour = second.behaviour = FakeUpstream(never_answer=True).behaviour
    await local.start(model(first, second, first_token_timeout_s=1))
    loop = asyncio.get_running_loop()
    began = loop.time()
    reader = await ChatClient(session, local.url).ask()
    assert 0.9 < loop.time() - began < 1.9
    assert reader.end.data["metadata"]["code"] == "first_token_timeout"
    said = reader.end.data["content"]
    assert "1: " in said
    assert "2: " in said
    assert (len(first.requests), len(second.requests)) == (1, 1)


async def test_hedging(local: Local, session: ClientSession, two: Two) -> None:
    """Where the first is silent the second is asked beside it; one is heard, and the other closed."""
    first, second = two
    first.behaviour = FakeUpstream(length=LENGTH, never_answer=True).behaviour
    prices = "{ prompt = 1000000, completion = 0 }"
    await local.start(model(first, second, hedge_after_s=0.1, prices=prices))
    chat = ChatClient(session, local.url)
    closed = metrics.upstream_requests.labels("two", "1", "closed")
    before = closed.value
    reader = await chat.ask()
    assert reader.text == TEXT
    assert [frame.type for frame in reader.frames].count("reset") == 0
    await first.until(lambda: first.requests[0].disconnected is not None)
    assert closed.value == before + 1
    facts = reader.end.data["metadata"]
    assert (facts["upstreams"], facts["cost"]) == (["2"], 7), "one prompt is paid"
    first.behaviour = second.behaviour
    second.requests.clear()
    assert (await chat.ask()).end.data["metadata"]["upstreams"] == ["1"]
    assert not second.requests, "no second is asked where the first speaks"
    second.behaviour = FakeUpstream(status=500).behaviour
    first.behaviour = FakeUpstream(length=LENGTH, first_token_delay_s=0.4).behaviour
    reader = await chat.ask()
    assert reader.text == TEXT, "a second that fails does not take the first along"
    assert reader.end.data["metadata"]["cost"] == 7, "and the first is paid"


async def test_what_it_cost(local: Local, session: ClientSession, two: Two) -> None:
    """All that was asked is billed, by each one's prices; the reader's usage is that of what it got."""
    first, second = two
    first.behaviour = FakeUpstream(length=LENGTH, break_after=4).behaviour
    each = "prices = { prompt = 1000000, completion = 2000000 }"
    await local.start(model(first, second, each=each))
    chat = ChatClient(session, local.url)
    reader = await chat.ask(conversation_id="c1")
    facts = reader.end.data["metadata"]
    # The first has said nothing of what it counted, so that is ours: 2 of the prompt, 4 of the answer.
    assert facts["billed"] == {
        "prompt_tokens": 2 + 7,
        "completion_tokens": 4 + LENGTH,
        "total_tokens": 9 + 4 + LENGTH,
        "estimated": True,
    }
    assert facts["usage"] == {"prompt_tokens": 7, "completion_tokens": LENGTH, "total_tokens": 7 + LENGTH}
    assert facts["cost"] == 9 + 2 * (4 + LENGTH)
    assert facts["upstreams"] == ["1", "2"]
    assert whys(reader) == [None, "upstream_broke"]
    status = await chat.status(reader.generation_id)
    assert [status[key] for key in ("billed", "cost", "upstreams")] == [
        facts[key] for key in ("billed", "cost", "upstreams")
    ]


def whys(reader: Reader) -> list[str | None]:
    """What broke off the upstream before each that spoke."""
    return [frame.data["metadata"].get("reason") for frame in reader.frames if frame.type == "hand_over"]


async def test_who_said_nothing_broke_nothing_off(local: Local, session: ClientSession, two: Two) -> None:
    """A hand-over names what ended the text before it, not who was asked in vain meanwhile."""
    first, second = two
    first.behaviour = FakeUpstream(length=LENGTH, break_after=4).behaviour
    second.behaviour = FakeUpstream(status=503).behaviour
    toml = (
        model(first, second) + '[[models.two.upstreams]]\nbackend = "scripted"\nparameters = { rate = 0 }\n'
    )
    await local.start(toml)
    chat = ChatClient(session, local.url)
    assert whys(await chat.ask()) == [None, "upstream_broke"]
    first.behaviour = FakeUpstream(length=LENGTH).behaviour
    assert "billed" not in (await chat.ask()).end.data["metadata"]


async def test_a_tool_call_starts_over(local: Local, session: ClientSession, two: Two) -> None:
    """A call that broke off is void: none is put together from two servers."""
    second = two[1]
    await local.start(
        '[models.two]\ncan_continue = true\n[[models.two.upstreams]]\nbackend = "scripted"\n'
        'parameters = { rate = 0, length = 3, tool_call = true, fault = "reset", fault_at = 3 }\n'
        f'[[models.two.upstreams]]\nbase_url = "{second.url}"\n'
    )
    second.behaviour = FakeUpstream(length=3, tool_call=True).behaviour
    reader = await ChatClient(session, local.url).ask()
    assert reader.end.data["metadata"]["finish_reason"] == "tool_calls"
    assert reader.text == expected_text({"length": 3})


async def test_what_an_upstream_takes(local: Local, session: ClientSession, two: Two) -> None:
    """A request goes to those that take all it has; what nobody takes is refused in one line."""
    first, second = two
    toml = '[models.two]\naccepts = ["min_p"]\n'
    for server, takes in ((first, '["tools", "min_p"]'), (second, '["pictures", "top_k"]')):
        toml += f'[[models.two.upstreams]]\nbase_url = "{server.url}"\ntakes = {takes}\n'
    await local.start(toml)
    chat = ChatClient(session, local.url)
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    shown = [{"role": "user", "content": [{"type": "text", "text": "x"}, picture]}]
    said = [{"role": "user", "content": "x"}]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]

    async def ask(**body: Any) -> Any:
        return await chat.call("POST", "/v1/chat/completions", json=body)

    assert (await ask(messages=shown)).status == 200
    assert (len(first.requests), len(second.requests)) == (0, 1)
    assert (await ask(messages=said, tools=tools)).status == 200
    assert (await ask(messages=said, top_k=3)).status == 200
    assert (len(first.requests), len(second.requests)) == (1, 2)
    url = f"data:image/png;base64,{b64encode(drawn(1)).decode()}"
    await chat.ask([{"type": "image_url", "image_url": {"url": url}}])
    assert (len(first.requests), len(second.requests)) == (1, 3)
    refused = await ask(messages=shown, tools=tools)
    assert refused.status == 400
    assert refused.body["error"]["message"] == (
        "No upstream of the model 'two' can serve this: 1 does not take pictures; 2 does not take tools."
    )


async def test_concurrency(local: Local, session: ClientSession, two: Two) -> None:
    """No upstream has more requests under way than it may; the rest wait, and all are answered."""
    first, second = two
    for server in two:
        server.behaviour = FakeUpstream(length=LENGTH, rate=100).behaviour
    await local.start(model(first, second, each="concurrency = 2"))
    chat = ChatClient(session, local.url)
    readers = await asyncio.gather(*(chat.ask() for _ in range(10)))
    assert {reader.text for reader in readers} == {TEXT}
    for server in two:
        spans = [(seen.arrived, seen.ended or 0) for seen in server.requests]
        most = max(sum(a <= at < b for a, b in spans) for at, _ in spans)
        assert 1 <= most <= 2


async def test_the_wildcard(local: Local, session: ClientSession, two: Two) -> None:
    """Any name passes through; the list has those of all upstreams, with a prefix where they collide."""
    first, second = two
    first.models, second.models = ["alpha", "both", "own"], ["beta", "both"]
    await local.start('[models.own]\nbackend = "scripted"\n' + model(first, second, name="*"))
    chat = ChatClient(session, local.url)

    async def listed() -> list[str]:
        local.state.listed = None
        return [entry["id"] for entry in (await chat.call("GET", "/v1/models")).body["data"]]

    async def all_listed() -> bool:
        return await listed() == ["own", "alpha", "1/both", "1/own", "beta", "2/both"]

    await eventually(all_listed, "the list is there")
    for name, server, passed in [
        ("beta", second, "beta"),
        ("2/both", second, "both"),
        ("both", first, "both"),
        ("1/own", first, "own"),
        ("unheard/of", first, "unheard/of"),
    ]:
        assert (await chat.ask(model=name)).text == TEXT
        assert server.requests[-1].body["model"] == passed
    assert (await chat.submit(model="*")).error["code"] == "unknown_model"
    assert (await chat.call("GET", "/v1/models/beta")).body["id"] == "beta"
    exposed = str((await chat.call("GET", "/metrics")).body)
    assert 'model="*"' in exposed
    assert "unheard" not in exposed


async def test_a_stop_closes_whoever_is_asked(local: Local, session: ClientSession, two: Two) -> None:
    """Both of a hedge, and before anything was said."""
    first, second = two
    first.behaviour = second.behaviour = FakeUpstream(never_answer=True).behaviour
    await local.start(model(first, second, hedge_after_s=0.05))
    chat = ChatClient(session, local.url)
    async with await chat.send(script(length=1)) as reader:
        await second.until(lambda: bool(second.requests))
        await chat.cancel(reader.generation_id)
        await reader.all()
    for server in two:
        await server.until(lambda server=server: server.requests[0].disconnected is not None)  # type: ignore[misc]
    assert reader.end.data["metadata"]["finish_reason"] == "cancelled"
