"""One room at a gateway: who is there, who has only lost the connection, and what was pushed."""

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.rooms import reply
from gateway.rooms.log import Meeting, Member, UnderWay
from gateway.rooms.place import Listener, Place
from shared.asker import ANONYMOUS, Asker
from shared.errors import BrokerUnavailable
from shared.generation import Submission

ANN = Member("ann", b"joined", b"left", "")


class Room:
    """It only remembers whom it was told of."""

    id = name = "r"
    fields = None

    def __init__(self) -> None:
        self.told: list[tuple[list[Member], list[Member]]] = []
        #: What is under way to it waits for that.
        self.hears = asyncio.Event()
        self.hears.set()
        self.fails = 0

    async def meet(self, gateway: str, lease_ms: int, here: Any, left: Any) -> Meeting:
        """Who is there, and who is not any more."""
        hears, self.hears = self.hears, asyncio.Event()
        self.hears.set()
        await hears.wait()
        if self.fails:
            self.fails -= 1
            raise BrokerUnavailable
        self.told.append((here, left))
        return Meeting(False, 0, "1", [])


def place(*, draining: bool = False) -> tuple[Place, Room, Listener]:
    """One with a single member, who is ann."""
    room, state = Room(), SimpleNamespace(draining=draining)
    made: Any = Place(state, room, "g1", "m")  # type: ignore[arg-type]
    listener = Listener(made, ANN)
    made.enter(listener)
    return made, room, listener


async def test_a_push_that_leaves_a_gap() -> None:
    """What came before it is not shown as if it were all: members read the log."""
    made, _, _ = place()
    made.heard(b"1-1 a\n1-2 b\n- typing")
    assert [number for number, _ in made._recent] == [1, 2]
    made.heard(b"1-5 e")
    assert [number for number, _ in made._recent] == [5]
    assert made.top == 5


async def test_who_has_left() -> None:
    """Not whose connection broke a moment ago, nor who is back; who says goodbye at once."""
    made, room, listener = place()
    made.leave(listener)
    await made.meet()
    made.enter(listener)
    assert not made._left
    listener.says_goodbye = True
    made.leave(listener)
    await made.meet()
    assert room.told == [([ANN], []), ([], [ANN])]
    assert not made._left
    made.leave(listener)
    assert made._left["ann"][1] <= time.monotonic()


async def test_an_older_word_that_comes_later() -> None:
    """It is heard before the next: whoever goes by another name by then does not come back by the first."""
    made, room, listener = place()
    room.hears = hears = asyncio.Event()
    older = asyncio.create_task(made.meet())
    await asyncio.sleep(0)
    bob = Member("bob", b"joined", b"left", "")
    made.rename(listener, bob)
    newer = [asyncio.create_task(made.meet()) for _ in range(9)]
    for _ in range(3):
        await asyncio.sleep(0)
    hears.set()
    await asyncio.gather(older, *newer)
    assert room.told == [([ANN], []), ([bob], [ANN])]


async def test_a_crowd_that_meets_no_broker() -> None:
    """Nobody waits until each before them has waited in vain; who hangs up takes nobody's word along."""
    made, room, _ = place()
    room.hears = hears = asyncio.Event()
    leaves = asyncio.create_task(made.meet())
    await asyncio.sleep(0)
    crowd = [asyncio.create_task(made.meet()) for _ in range(9)]
    await asyncio.sleep(0)
    leaves.cancel()
    room.fails = 1
    hears.set()
    outcomes = await asyncio.gather(*crowd, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {BrokerUnavailable}
    await made.meet()
    assert room.told == [([ANN], [])]


async def test_a_gateway_that_stops() -> None:
    """Has nobody there any more, and says of nobody that they left: they are on their way to another."""
    made, room, listener = place(draining=True)
    await made.meet()
    listener.says_goodbye = True
    made.leave(listener)
    await made.meet()
    assert room.told == [([], []), ([], [])]


async def test_what_a_reply_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What asks, with its sender's name, and nothing else; asked for twice it is one reply."""
    said = [
        {"type": "message", "name": "ann", "content": "One", "asks": True},
        {"type": "message", "name": "ben", "content": "Not for it"},
        {"type": "user_joined", "name": "cid"},
        {"type": "message", "name": "ben", "content": "Two", "asks": True},
    ]
    asked: list[Submission] = []

    async def read(after: int, before: int) -> list[tuple[int, bytes]]:
        return [(number, json.dumps(each).encode()) for number, each in enumerate(said, 1)]

    async def fields() -> dict[str, str]:
        return {"active": "gen_1"}

    async def load(generation_id: str) -> None:
        """There is none yet."""

    async def payer_of(*_: Any) -> Asker:
        return ANONYMOUS

    async def accept_for(state: Any, payer: Asker, submission: Submission) -> None:
        asked.append(submission)

    monkeypatch.setattr(reply, "payer_of", payer_of)
    monkeypatch.setattr(reply, "accept_for", accept_for)
    state: Any = SimpleNamespace(
        generations=SimpleNamespace(load=load), models=SimpleNamespace(queue_of=lambda model: "q")
    )
    room: Any = SimpleNamespace(read=read, fields=fields, owner="o", name="r")
    await reply.Carrier(state, room)._asked_for(UnderWay("gen_1", 1, 4, ""), "m")
    [submission] = asked
    assert submission.message == "ann:\n\nOne\n\nben:\n\nTwo"
    assert (submission.generation_id, submission.idempotency_key) == ("gen_1", "gen_1")
