"""P15: tokens and money are reserved when a reply is accepted, and settled to the last one by its record."""

import json
from typing import Any

from aiohttp import ClientSession

from shared import keys
from shared.asker import scope_of
from shared.limits import Limits
from tests.conftest import StartStack
from tests.integration.test_asker_limits import LONG, start, used
from tests.kit.api_keys import made_key, make_key
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local


async def test_tokens_are_settled_to_the_last_one(local: Local, session: ClientSession) -> None:
    """
    Reserved while it runs; afterwards what usage says: of ends, stops, retries, refusals and forgotten
    responses.
    """
    await start(local)
    kept, key = await made_key(local, limits={"tokens_per_day": 1_000_000})
    chat = ChatClient(session, local.url, key)
    spent = 0
    async with await chat.send(LONG, conversation_id="c1", max_tokens=500) as reader:
        await reader.until("chunk")
        assert (await used(local)).reserved_tokens >= 500
        assert (await chat.submit(conversation_id="c1")).status == 409
        spent += (await chat.cancel(reader.generation_id)).body["usage"]["total_tokens"]
    for _ in range(2):
        reader = await chat.ask(script(length=7), headers={"Idempotency-Key": "once"}, conversation_id="c2")
    spent += (await chat.status(reader.generation_id))["usage"]["total_tokens"]
    asked = {"input": script(length=3), "model": "plain"}
    response = (await chat.call("POST", "/v1/responses", json=asked)).body
    assert (await chat.call("DELETE", f"/v1/responses/{response['id']}")).status == 200
    spent += response["usage"]["total_tokens"]
    for level in ("tenant", f"key:{kept.id}"):
        now = await used(local, level)
        assert (now.day.total_tokens, now.reserved_tokens, now.day.messages) == (spent, 0, 3)
        assert now.day.prompt_tokens + now.day.completion_tokens == now.month.total_tokens == spent


async def test_tokens_are_settled_over_a_lost_worker(own_stack: StartStack, session: ClientSession) -> None:
    """
    What others went on with, began anew, was stopped or asked again is settled by its bill, to the last
    token.
    """
    stack = await own_stack(workers=2, api_keys="a-key", lease_s=0.6)
    chat = ChatClient(session, stack.gateways[0].url, "a-key")
    said, models = script(length=60, rate=20), ("scripted", "plain", "scripted", "plain")
    headers = [{"Idempotency-Key": f"once-{i}"} for i in range(4)]
    readers = [await chat.send(said, model=m, headers=h) for m, h in zip(models, headers, strict=True)]
    for reader in readers:
        await reader.until("chunk", 3)
    usage = (await chat.call("GET", "/api/usage")).body["used"]
    assert (usage["concurrent"], usage["reserved_tokens"] > 4 * 1024) == (4, True)
    stack.workers[0].kill()
    await chat.cancel(readers[3].generation_id)
    for reader, m, h in zip(readers, models, headers, strict=True):
        async with await chat.send(said, model=m, headers=h) as again:
            assert again.generation_id == reader.generation_id
            await again.all()
        await reader.all()
    records = [
        stack.redis.hmget(keys.RECORD + r.generation_id, "billed", "usage", "attempt") for r in readers
    ]
    assert any(int(attempt) > 1 for _, _, attempt in records), "or no worker was lost"
    spent = sum(json.loads(billed or used)["total_tokens"] for billed, used, _ in records)
    usage = (await chat.call("GET", "/api/usage")).body["used"]
    assert (usage["concurrent"], usage["reserved_tokens"]) == (0, 0)
    assert (usage["day"]["total_tokens"], usage["day"]["messages"]) == (spent, 4)


async def test_a_budget_that_is_spent(local: Local, session: ClientSession) -> None:
    """
    429 that no client tries again at once: it says when the next day begins. A tenant's holds for all its
    keys.
    """
    await start(local)
    await local.state.tenants.change("acme", limits=Limits(tokens_per_day=60))
    one, other = [ChatClient(session, local.url, await make_key(local, user=user)) for user in ("ann", "bob")]
    await one.ask(script(length=50))
    refused = await eventually_refused(other)
    assert refused.error["code"] == "budget_spent"
    assert refused.headers["X-Should-Retry"] == "false"
    assert 1 <= int(refused.headers["Retry-After"]) <= 24 * 3600
    strangers = ChatClient(session, local.url, await make_key(local, "umbrella"))
    await strangers.ask(script(length=50))


async def test_tokens_a_minute(local: Local, session: ClientSession) -> None:
    """What is reserved counts at once; what was not used is given back."""
    await start(local)
    chat = ChatClient(session, local.url, await make_key(local, limits={"tokens_per_minute": 1000}))
    async with await chat.send(LONG, max_tokens=800) as reader:
        refused = await chat.submit(max_tokens=800)
        assert (refused.status, refused.error["detail"]) == (429, {"limit": "tokens"})
        await chat.cancel(reader.generation_id)
    await chat.ask(script(length=2), max_tokens=800)
    too_much = await chat.submit(max_tokens=5000)
    assert (too_much.status, too_much.error["field"]) == (400, "max_tokens")


async def test_a_request_that_was_never_accepted(local: Local, session: ClientSession) -> None:
    """
    A gateway that dies between counting and creating leaves a reservation, which is given back after a while.
    """
    await start(local)
    kept, key = await made_key(local, limits={"max_concurrent": 1})
    levels = (await local.state.known_keys.by_id(kept.id)).levels  # type: ignore[union-attr]
    await local.state.ledger.admit("acme", levels, "gen_lost", "message", 100)
    chat = ChatClient(session, local.url, key)
    assert (await chat.submit()).status == 429
    held = held_of(local, "acme")
    written = local.redis.hget(held, "gen_lost").replace(b'"at":', b'"at":1,"was":')
    local.redis.hset(held, "gen_lost", written)
    await chat.ask()
    now = await used(local)
    assert (now.day.messages, now.reserved_tokens) == (1, 0)


async def test_what_has_ended_is_settled_by_the_way(local: Local, session: ClientSession) -> None:
    """A tenant that never meets a limit holds few reservations, however much it asks."""
    await start(local)
    chat = ChatClient(session, local.url, await make_key(local))
    for _ in range(40):
        await chat.ask(script(length=1))
    await eventually(lambda: local.redis.hlen(held_of(local, "acme")) < 20, "it is settled")


async def eventually_refused(chat: ChatClient) -> Any:
    """The first refusal."""
    for _ in range(5):
        answer = await chat.submit(script(length=50))
        if answer.status != 200:
            return answer
    raise AssertionError("never refused")


def held_of(local: Local, tenant: str) -> str:
    """Where a tenant's reservations are."""
    scope = scope_of(tenant)
    return local.state.broker.cells.of_tenant(scope).key(keys.HELD, scope)
