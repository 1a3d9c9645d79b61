"""The way from one broker to many cells: what one held is there, as it was, and goes on."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from redis import Redis

from deploy import move
from gateway.rooms.log import Room, Said
from shared import keys
from shared.broker import Broker
from shared.cells import Cells
from shared.errors import BrokerUnavailable
from shared.settings import Settings
from shared.startup import SettingsWrong
from tests.integration.test_blobs import upload
from tests.kit.api_keys import made_key
from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local

CELLS = 8
_TARGET = 9


@pytest.fixture(autouse=True)
def watched_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a lease, which nobody's is longer than here."""
    monkeypatch.setattr(move, "_WATCHED_S", 0)


@pytest.fixture
async def target(broker: EmbeddedBroker) -> AsyncIterator[Settings]:
    """An empty database, to be in eight cells."""
    yield Settings(redis_url=broker.url(_TARGET), cells=CELLS)
    broker.client(_TARGET).flushdb()


async def test_all_is_there(local: Local, session: ClientSession, target: Settings) -> None:
    """Lists in their order, messages, records, logs to be resumed, idempotency keys; then it goes on."""
    old = ChatClient(session, await local.start())
    for name in (f"c{i}" for i in range(12)):
        await old.ask(script(length=4), conversation_id=name)
    told = await old.ask(script(length=6), conversation_id="c3", headers={"Idempotency-Key": "k1"})
    loose = await old.ask(script(length=6), headers={"Idempotency-Key": "k2"})
    listed = (await old.call("GET", "/api/conversations")).body
    kept = {name: await old.conversation(name) for name in ("c0", "c3", "c11")}
    [owner] = [key.decode().rpartition(":")[2] for key in local.redis.keys("hr:convs:*")]
    room = Room(local.state.broker, local.settings(), "c3", owner)
    await room.open({"rule": "any"})
    await room.say([Said(b'{"content":"Hello"}', "m1")])
    there = await room.fields(), await room.read(0)
    await local.stop_worker()
    await local.stop_gateways()
    said: list[str] = []
    await move.move(local.settings(), target, said.append)
    assert "copied 13 conversations" in said
    await local.start(redis_url=target.redis_url, cells=CELLS)
    new = ChatClient(session, local.url)
    assert (await new.call("GET", "/api/conversations")).body == listed
    assert {name: await new.conversation(name) for name in kept} == kept
    for reader, body in ((told, {"conversation_id": "c3"}), (loose, {})):
        async with await new.resume(reader.generation_id, "1-2") as resumed:
            await resumed.all()
        assert resumed.ids == reader.ids[3:]
        headers = {"Idempotency-Key": "k1" if body else "k2"}
        again = await new.ask(script(length=6), headers=headers, **body)
        assert (again.generation_id, again.text) == (reader.generation_id, reader.text)
    room = Room(local.state.broker, local.settings(), "c3", owner)
    assert (await room.fields(), await room.read(0)) == there
    await new.ask(script(length=4), conversation_id="c0")
    first = (await new.call("GET", "/api/conversations?limit=1")).body["conversations"]
    assert [each["id"] for each in first] == ["c0"]
    assert len((await new.conversation("c0"))["messages"]) == 4


async def test_a_room_in_which_nobody_has_spoken(
    local: Local, session: ClientSession, target: Settings
) -> None:
    """It is there, though no list has its conversation; what nobody knows is said, and is no success."""
    chat = ChatClient(session, await local.start(worker=False))
    await chat.call("POST", "/api/rooms", json={"room_id": "lobby"})
    local.redis.set("hr:of_tomorrow:1", "x", ex=100)
    await local.stop_gateways()
    said: list[str] = []
    with pytest.raises(move.CannotMove, match=r"NOT copied: 1 of hr:of_tomorrow:, .*; all else was"):
        await move.move(local.settings(), target, said.append)
    assert said[0] == "copied 1 rooms"
    chat.url = await local.start(worker=False, redis_url=target.redis_url, cells=CELLS)
    assert (await chat.call("GET", "/api/rooms/lobby")).status == 200


async def test_what_looks_like_success(
    broker: EmbeddedBroker,
    local: Local,
    session: ClientSession,
    target: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing to copy, and half a copy, are told; over half a copy nothing starts, and nothing is added."""
    with pytest.raises(move.CannotMove, match="the source holds nothing"):
        await move.move(local.settings(), target, print)
    chat = ChatClient(session, await local.start())
    for name in ("a", "b"):
        await chat.ask(script(length=2), conversation_id=name)
    await local.stop_worker()
    await local.stop_gateways()
    copied, copy_key = 0, move._Mover._copy_key

    async def breaks_off(*args: Any) -> bool:
        nonlocal copied
        copied += 1
        if copied > 3:
            raise BrokerUnavailable
        return await copy_key(*args)

    with monkeypatch.context() as broken:
        broken.setattr(move._Mover, "_copy_key", breaks_off)
        with pytest.raises(move.CannotMove, match=r"empty the target .* and begin again"):
            await move.move(local.settings(), target, print)
    half = Broker(target)
    with pytest.raises(SettingsWrong, match="was broken off"):
        await half.confirm()
    await half.close()
    with pytest.raises(move.CannotMove, match="was broken off"):
        await move.move(local.settings(), target, print)
    broker.client(_TARGET).flushdb()
    said: list[str] = []
    await move.move(local.settings(), target, said.append)
    assert "copied 2 conversations" in said
    assert said[-1].startswith("done: ")


async def test_who_runs_over_the_target(local: Local, session: ClientSession, target: Settings) -> None:
    """A gateway there, which has written nothing yet but looks at the clocks, would write between."""
    chat = ChatClient(session, await local.start())
    await chat.ask(script(length=2), conversation_id="a")
    await local.stop_worker()
    await local.stop_gateways()
    await local.start(worker=False, redis_url=target.redis_url, cells=CELLS)
    with pytest.raises(move.CannotMove, match="still run over the target"):
        await move.move(local.settings(), target, print)


def test_what_ends_this_very_moment() -> None:
    """It ends: to RESTORE a lifetime of nothing is one for ever."""
    assert [move._lifetime(ttl_ms) for ttl_ms in (-1, 0, 1, 900)] == [0, 1, 1, 900]


async def test_what_is_of_a_tenant(local: Local, session: ClientSession, target: Settings) -> None:
    """Keys, what they have used, files and links are there: no budget is given twice."""
    url = await local.start(auth="keys")
    _, secret = await made_key(local, limits={"tokens_per_month": 100_000})
    chat = ChatClient(session, url, secret)
    name = await upload(chat, b"Notes")
    await chat.ask([{"type": "file", "blob": name}], conversation_id="c1")
    link = (await chat.call("POST", "/api/conversations/c1/share", json={})).body

    async def seen() -> list[Any]:
        used = (await chat.call("GET", "/api/usage")).body["used"]["month"]
        shared = {"X-Headrace-Share": link["secret"]}
        answers = [
            await chat.call("GET", f"/api/blobs/{name}"),
            await chat.call("GET", f"/api/shared/{link['id']}", headers=shared),
        ]
        return [used, *((answer.status, answer.body) for answer in answers)]

    kept = await seen()
    assert kept[0]["total_tokens"] > 0 and [status for status, _ in kept[1:]] == [200, 200]
    await local.stop_worker()
    await local.stop_gateways()
    await move.move(local.settings(), target, lambda line: None)
    there = Redis.from_url(target.redis_url)
    lives = {kind: lives_s for kind, lives_s in longest(local.redis).items() if kind in longest(there)}
    assert len(lives) > 5
    for kind, lives_s in lives.items():
        assert abs(longest(there)[kind] - lives_s) < 60, kind
    chat.url = await local.start(auth="keys", redis_url=target.redis_url, cells=CELLS)
    assert await seen() == kept


def longest(broker: Any) -> dict[bytes, int]:
    """By its kind, how long the last of its keys lives, in seconds."""
    found: dict[bytes, int] = {}
    for key in broker.keys("hr:*"):
        kind = re.sub(rb"{.*?}:", b"", key).split(b":")[1]
        found[kind] = max(found.get(kind, -1), broker.ttl(key))
    return found


def test_every_kind_of_key_has_a_place() -> None:
    """Whoever adds one says where it goes."""
    own = {*move._BY_ROOM, *move._LISTS, *move._LEFT, keys.IDEMPOTENCY, keys.LIVE, keys.CANCEL}
    cells = Cells(CELLS)
    assert not [kind for kind in keys.NAMES.values() if kind not in own and cells.of(kind, "a:b") is None]


async def test_only_what_has_ended(local: Local, session: ClientSession, target: Settings) -> None:
    """It refuses what is under way, a source that is in use, and a target that holds something."""
    chat = ChatClient(session, await local.start(worker=False))
    async with await chat.send(script(length=3)):
        with pytest.raises(move.CannotMove, match="1 generations have not ended"):
            await move.move(local.settings(), target, print)
    await local.start_worker()
    await asyncio.sleep(0)
    with pytest.raises(move.CannotMove, match=r"have not ended|still run"):
        await move.move(local.settings(), target, print)
    await local.stop_worker()
    with pytest.raises(move.CannotMove, match="holds data already"):
        await move.move(local.settings(), local.settings(), print)
