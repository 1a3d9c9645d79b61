"""P15: what an asker may use is its own and exact, over all gateways."""

import asyncio
import datetime
import time
from typing import Any

import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from gateway.edge import places
from gateway.routes import ROUTES
from shared import keys, metrics
from shared.ledger import Used
from tests.kit.api_keys import CACHE_S, made_key, make_key
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.room_client import member

LONG = script(length=1000, rate=50)
SAID = [{"role": "user", "content": "Hello", "ts": 1}]


async def start(local: Local, **settings: Any) -> str:
    """A gateway that asks for keys, and a worker."""
    return await local.start(**{"auth": "keys", "key_cache_s": CACHE_S, **settings})


async def used(local: Local, level: str = "tenant", tenant: str = "acme") -> Used:
    """What a level has used, with all settled that has ended."""
    return await local.state.ledger.used(tenant, level)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions"])
async def test_a_thousand_at_once(local: Local, session: ClientSession, path: str) -> None:
    """Of 1,000 requests at once over two gateways exactly as many pass as may; the others are told when."""
    urls = [await start(local), await local.add_gateway(auth="keys")]
    key = await make_key(local, limits={"requests_per_minute": 100})
    body = {"messages": [{"role": "user", "content": script(length=1)}]}
    options: dict[str, Any] = {} if path == "/v1/models" else {"json": body}
    method = "POST" if options else "GET"
    clients = [ChatClient(session, url, key) for url in urls]
    answers = await asyncio.gather(*(clients[i % 2].call(method, path, **options) for i in range(1000)))
    assert sum(answer.status == 200 for answer in answers) == 100
    refused = [answer for answer in answers if answer.status != 200]
    assert {answer.status for answer in refused} == {429}
    for answer in refused:
        assert answer.body["error"]["code"] == "rate_limited"
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert answer.headers["x-ratelimit-remaining-requests"] == "0"
        assert answer.headers["RateLimit-Policy"] == '"requests";q=100;w=60'


#: POSTs that are not counted by themselves: what begins a reply is when that is accepted, what stops
#: something or reads on never.
_ACCEPTED = {
    "/api/chat/stream",
    "/api/ui/chat",
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/responses/compact",
}
_ACCEPTED |= {"/v1/messages", "/api/ag-ui", "/api/tts/stream", "/v1/audio/speech"}
_NEVER = {"/api/chat/{generation_id}/cancel", "/api/ui/chat/{chat_id}/stop", "/api/ag-ui/{thread_id}/stop"}
_NEVER |= {
    "/v1/responses/{response_id}/cancel",
    "/api/admin/keys/{key_id}/revoke",
    "/api/chat/{generation_id}/token",
}


async def test_whatever_makes_something_is_counted(local: Local, session: ClientSession) -> None:
    """Nobody fills the broker with what begins no reply: conversations, imports, rooms, invitations, keys."""
    posts = [route for route in ROUTES if route.method == "POST" and not route.public]
    assert {route.path for route in posts if not route.needs.counts} == _ACCEPTED | _NEVER
    url = await start(local)
    for path, body in (
        ("/v1/conversations", {}),
        ("/api/rooms", {"room_id": "r1"}),
        (
            "/api/conversations/import",
            {"format": "headrace.conversation", "version": 1, "title": "t", "messages": SAID},
        ),
    ):
        chat = ChatClient(session, url, await make_key(local, limits={"requests_per_minute": 1}))
        assert (await chat.call("POST", path, json=body)).status in {200, 201}
        refused = await chat.call("POST", path, json=body)
        assert (refused.status, refused.headers["Retry-After"].isdecimal()) == (429, True), path
    headers = {"Authorization": f"Bearer {await make_key(local, limits={'requests_per_minute': 1})}"}
    async with member(session, url, "r2", headers=headers):
        pass
    with pytest.raises(WSServerHandshakeError, match="429"):
        await session.ws_connect(f"{url}/ws/r3", headers=headers)


async def test_headers_of_what_is_left(local: Local, session: ClientSession) -> None:
    """
    Every answer that was counted says what is left, streams included; OpenAI's clients in their way too.
    """
    await start(local)
    limits = {"requests_per_minute": 10, "tokens_per_minute": 10_000}
    chat = ChatClient(session, local.url, await make_key(local, limits=limits))
    async with await chat.send(script(length=2)) as reader:
        await reader.all()
        assert '"requests";r=9;' in reader.headers["RateLimit"]
        assert "x-ratelimit-limit-requests" not in reader.headers
    body = {"messages": [{"role": "user", "content": script(length=2)}], "max_tokens": 100}
    headers = (await chat.call("POST", "/v1/chat/completions", json=body)).headers
    assert headers["x-ratelimit-remaining-requests"] == "8"
    assert headers["x-ratelimit-limit-tokens"] == "10000"
    assert 1 <= int(headers["x-ratelimit-reset-requests"].removesuffix("s")) <= 60
    headers = (await chat.call("POST", "/v1/messages", json={**body, "model": "scripted"})).headers
    assert headers["anthropic-ratelimit-requests-remaining"] == "7"
    more_at = datetime.datetime.fromisoformat(headers["anthropic-ratelimit-requests-reset"])
    assert 0 <= more_at.timestamp() - time.time() <= 61


async def test_replies_at_once(local: Local, session: ClientSession) -> None:
    """
    Beyond them 429, over two gateways; room again with the very end of one, and streams are followed all the
    time.
    """
    urls = [await start(local), await local.add_gateway(auth="keys")]
    key = await make_key(local, limits={"max_concurrent": 2})
    here, there = (ChatClient(session, url, key) for url in urls)
    first, second = await here.send(LONG), await there.send(LONG)
    before = counted("concurrent")
    refused = await here.submit()
    assert (refused.status, refused.error["detail"]) == (429, {"limit": "concurrent"})
    assert counted("concurrent") == (before[0] + 1, before[1] + 1)
    async with await there.resume(first.generation_id) as again:
        assert again.status == 200
    assert (await here.cancel(first.generation_id)).status == 200
    async with await there.send(LONG) as third:
        assert (await there.submit()).status == 429
        await there.cancel(third.generation_id)
    await there.cancel(second.generation_id)
    for reader in (first, second):
        await reader.all()
    assert (await used(local)).concurrent == 0


def counted(limit: str) -> tuple[float, float]:
    """How many that limit has refused, and how many of the tenant's were refused at all."""
    tenants = metrics.tenant_requests.labels(metrics.tenant("acme"), "limited")
    return metrics.limited.labels(limit).value, tenants.value


async def test_open_streams(local: Local, session: ClientSession) -> None:
    """Beyond them 429, new or resumed, over two gateways; room again once one closes."""
    urls = [await start(local), await local.add_gateway(auth="keys")]
    key = await make_key(local, limits={"max_streams": 2})
    here, there = (ChatClient(session, url, key) for url in urls)
    first, second = await here.send(LONG), await there.send(LONG)
    for refused in (await here.submit(), await there.call("GET", f"/api/chat/{first.generation_id}/stream")):
        assert (refused.status, refused.error["detail"]) == (429, {"limit": "streams"})
    second.cut()
    path = f"/api/chat/{first.generation_id}/stream"
    await eventually(lambda: opens(here, path), "there is a place again")
    for reader in (first, second):
        await here.cancel(reader.generation_id)
    await first.all()


async def test_a_stream_keeps_its_place(
    local: Local, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it is open: its place is held on and on."""
    monkeypatch.setattr(places, "_RENEW_EVERY_S", 0.05)
    await start(local)
    chat = ChatClient(session, local.url, await make_key(local, limits={"max_streams": 1}))
    async with await chat.send(LONG) as reader:
        [streams] = local.redis.scan_iter(f"{keys.USE}*:streams")
        [(stream, until)] = local.redis.zrange(streams, 0, -1, withscores=True)
        await eventually(lambda: local.redis.zscore(streams, stream) > until, "it is held on")
        await chat.cancel(reader.generation_id)
        await reader.all()


async def test_a_repeated_message_keeps_its_place(local: Local, session: ClientSession) -> None:
    """The stream of the first is read in the place that was taken for another."""
    await start(local)
    chat = ChatClient(session, local.url, await make_key(local, limits={"max_streams": 1}))
    once = {"headers": {"Idempotency-Key": "once"}}
    first = await chat.ask(script(length=2), **once)
    await eventually(lambda: not list(local.redis.scan_iter(f"{keys.USE}*:streams")), "its place is free")
    again = await chat.ask(script(length=2), **once)
    assert (again.status, again.ids) == (200, first.ids)


async def opens(chat: ChatClient, path: str) -> bool:
    """Whether a stream can be read."""
    reader = await chat.open("GET", path)
    reader.cut()
    return reader.status == 200


async def test_queued_replies(local: Local, session: ClientSession) -> None:
    """Those that wait for a worker have a limit of their own; what has begun does not count."""
    await start(local)
    chat = ChatClient(session, local.url, await make_key(local, limits={"max_queued": 1}))
    running = await chat.send(LONG, model="single")
    await running.until("chunk")
    waiting = await chat.send(LONG, model="single")
    refused = await chat.submit(model="single")
    assert (refused.status, refused.error["detail"]) == (429, {"limit": "queued"})
    for reader in (waiting, running):
        await chat.cancel(reader.generation_id)
        await reader.all()


async def test_models_and_the_longest_reply(local: Local, session: ClientSession) -> None:
    """
    Another model is 403 and not listed; a longer reply is 400, and one of no length gets the longest there
    may be.
    """
    await start(local)
    limits = {"models": ("scripted",), "max_tokens": 5}
    chat = ChatClient(session, local.url, await make_key(local, limits=limits))
    assert (await chat.submit(model="plain")).error["field"] == "model"
    assert [one["id"] for one in (await chat.call("GET", "/v1/models")).body["data"]] == ["scripted"]
    assert (await chat.call("GET", "/v1/models/plain")).status == 404
    assert (await chat.submit(max_tokens=6)).error["field"] == "max_tokens"
    reader = await chat.ask(script(length=50))
    record = await local.state.generations.load(reader.generation_id)
    assert record is not None
    assert record.asked.max_tokens == 5


async def test_one_round_trip(local: Local, session: ClientSession) -> None:
    """
    A key that is known, with every limit on, costs one more round trip than none, and nothing afterwards.
    """
    limits = {
        "requests_per_minute": 1000,
        "max_concurrent": 100,
        "max_queued": 100,
        "max_streams": 100,
        "tokens_per_minute": 10**6,
    }
    limits |= {"tokens_per_day": 10**7, "tokens_per_month": 10**8, "cost_per_day": 5, "cost_per_month": 50}
    await start(local, key_cache_s=60)
    chat = ChatClient(session, local.url, await make_key(local, limits={**limits, "max_tokens": 10**5}))
    closed = asked("hold")
    await chat.ask(script(length=2))
    await eventually(lambda: asked("use_key") > 0, "the key's first use is noted")
    await eventually(lambda: asked("hold") == closed + 1, "its place has been given back")
    before = {name: asked(name) for name in ("admit", "create", *_OF_KEYS)}
    reader = await chat.send(script(length=50))
    await reader.until("chunk")
    more = {name: asked(name) - count for name, count in before.items()}
    assert more == {"admit": 1, "create": 1, **dict.fromkeys(_OF_KEYS, 0)}
    await reader.all()


#: What keys and limits ask the broker for otherwise.
_OF_KEYS = ("load_key", "load_tenant", "use_key", "settle", "settle_look", "held", "used", "hold", "secret")


def asked(command: str) -> float:
    """How often the broker was asked that, by all of this process."""
    return metrics.redis_round_trips.labels(command).value


async def test_a_room_is_its_makers_to_pay(local: Local, session: ClientSession) -> None:
    """Who has used up its replies gets no more by making rooms, and the room says why."""
    await start(local)
    key = await make_key(local, limits={"requests_per_minute": 1})
    headers = {"Authorization": f"Bearer {key}"}
    async with member(session, local.url, "r", "ann", headers=headers) as ann:
        await ann.say(script(length=2))
        await ann.until("stream_end")
        await ann.say(script(length=2))
        await ann.until("stream_error")
        assert ann.log[-1]["code"] == "rate_limited"
    assert (await used(local)).day.messages == 1


async def test_a_room_whose_makers_key_is_gone(local: Local, session: ClientSession) -> None:
    """Nobody pays for its replies, so there are no more; whoever is there is told."""
    url = await start(local)
    kept, key = await made_key(local)
    ann = ChatClient(session, url, key)
    await ann.call("POST", "/api/rooms", json={"room_id": "r"})
    invited = await ann.call("POST", "/api/rooms/r/invitations", json={})
    local.redis.delete(keys.API_KEY + kept.id)

    async def is_gone() -> bool:
        return (await ann.call("GET", "/api/usage")).status == 401

    await eventually(is_gone, "the gateway knows")
    async with member(session, url, "r", "guest", invitation=invited.body["invitation"]) as guest:
        await guest.say("x")
        assert (await guest.until("stream_error"))["code"] == "unauthorized"


async def test_addresses_without_a_key(local: Local, session: ClientSession) -> None:
    """
    Beyond loopback an address may send ten messages a minute; what only reads, and resuming, is not counted.
    """
    await local.start(allow_anonymous=True, host="0.0.0.0", hosts="*")
    chat = ChatClient(session, local.url)
    for _ in range(10):
        await chat.ask(script(length=1))
    refused = await chat.submit()
    assert (refused.status, refused.error["code"]) == (429, "rate_limited")
    assert (await chat.call("GET", "/api/conversations")).status == 200
    await local.state.ledger.settle("anonymous")
