"""P19: what a room's steps do, one by one: each thing once, whoever does it."""

import time

import pytest

from gateway.rooms import invitations
from gateway.rooms.identity import _held_by
from gateway.rooms.invitations import Invitations, NewInvitation, holds
from gateway.rooms.log import Member, Room, Said, Wanted
from gateway.rooms.pace import Pace
from shared import keys, steps
from shared.errors import Conflict, NotFound, TooBusy
from shared.outcome import stopped_unbegun
from tests.kit.eventually import eventually
from tests.kit.local import Local

ANN = Member("ann", b'{"type":"user_joined"}', b'{"type":"user_left"}', "")
ASKED = Said(b"asked", flag="asks")


@pytest.fixture
async def room(local: Local) -> Room:
    """One that was just made."""
    await local.start(worker=False)
    room = Room(local.state.broker, local.settings(), "r", "o")
    await room.open({})
    return room


async def log(room: Room) -> list[bytes]:
    """All its entries."""
    return [entry for _, entry in await room.read(0)]


async def test_a_piece_that_two_gateways_carry(room: Room) -> None:
    """It is taken by its position: nothing twice, nothing older, and nothing of another reply."""
    await room.change({"active": "gen_x"})
    carried = ["1-1", "1-2", "1-2", "1-1", "1-4", "2-1", "1-5", "2-1", "2-2"]
    assert await room.say([Said(position.encode(), position) for position in carried], "gen_x") == 5
    assert await room.say([Said(b"3-1", "3-1")], "gen_y") == 0
    assert await log(room) == [b"1-1", b"1-2", b"1-4", b"2-1", b"2-2"]


async def test_so_many_wait_for_an_answer(room: Room, local: Local) -> None:
    """Of more there is none, until one reply answers them all."""
    assert await room.say([ASKED] * steps._MAX_ROOM_WAITING) == steps._MAX_ROOM_WAITING
    with pytest.raises(TooBusy):
        await room.say([ASKED])
    with local.redis.pubsub() as members:
        members.subscribe(keys.LIVE + room.id)
        under_way = await room.begin("gen_x", b"begins")
        heard = [members.get_message(timeout=5) for _ in range(2)]
    assert heard[1]["data"].endswith(b" begins"), "who is there is told at once"
    assert under_way is not None
    assert (under_way.first, under_way.last) == (1, steps._MAX_ROOM_WAITING)
    assert await room.say([ASKED]) == 1


async def test_one_that_has_gone(room: Room, local: Local) -> None:
    """Whoever says or clears something there is told, and makes nothing of it."""
    local.redis.delete(*local.redis.scan_iter(match="hr:room*"))
    with pytest.raises(NotFound):
        await room.say([ASKED])
    with pytest.raises(NotFound):
        await room.clear(b"cleared", b"stopped", stopped_unbegun("user"))
    assert await room.fields() == {}


async def test_one_that_has_expired(room: Room, local: Local) -> None:
    """Made anew it has nothing of the one before, whose log may have outlived it."""
    await room.say([ASKED])
    await room.meet("g1", 60_000, [ANN], [])
    local.redis.delete(keys.ROOM + room.id)
    await room.open({})
    assert await log(room) == []
    assert (await room.meet("g2", 60_000, [], [])).members == []


async def test_what_was_cleared_is_not_answered(room: Room) -> None:
    """Nobody waits for an answer any more, until something is asked again."""
    await room.say([ASKED])
    await room.clear(b"cleared", b"stopped", stopped_unbegun("user"))
    assert await room.begin("gen_x", b"begins") is None
    assert await log(room) == [b"cleared"]
    await room.say([ASKED])
    under_way = await room.begin("gen_y", b"begins")
    assert under_way is not None and under_way.first == under_way.last


async def test_a_member_at_two_gateways(room: Room) -> None:
    """It joins once, and leaves with the last of its connections."""
    for gateway in ("g1", "g2"):
        assert (await room.meet(gateway, 60_000, [ANN], [])).members == [ANN.joined]
    assert (await room.meet("g1", 60_000, [], [ANN])).members == [ANN.joined]
    assert (await room.meet("g2", 60_000, [], [ANN])).members == []
    assert await log(room) == [ANN.joined, ANN.left]


async def test_a_gateway_that_leaves(room: Room) -> None:
    """Another carries the reply at once."""
    assert (await room.meet("g1", 60_000, [ANN], [])).carries
    assert not (await room.meet("g2", 60_000, [ANN], [])).carries
    assert not (await room.meet("g1", 60_000, [], [ANN])).carries
    assert (await room.meet("g2", 60_000, [ANN], [])).carries


async def test_a_gateway_that_dies(room: Room) -> None:
    """Its members leave, and another carries the reply, once it has not been heard of for so long."""
    await room.meet("g1", 100, [ANN], [])
    ben = ANN._replace(id="ben", joined=b"ben")

    async def is_alone() -> bool:
        return (await room.meet("g2", 60_000, [ben], [])).members == [ben.joined]

    await eventually(is_alone, "only those of the other are there")
    assert (await room.meet("g2", 60_000, [ben], [])).carries
    assert sorted(await log(room)) == sorted([ANN.joined, ben.joined, ANN.left])


async def test_invitations_end(room: Room, local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each when it says, no later than that of who invited; so many hold at the same time."""
    monkeypatch.setattr(invitations, "MOST", 2)
    every = Invitations(local.state.sealing)
    first, _ = await every.make(room, NewInvitation(expires_s=60))
    further, _ = await every.make(room, NewInvitation(expires_s=3600), first)
    assert further.expires_s == first.expires_s
    with pytest.raises(Conflict):
        await every.make(room, NewInvitation())
    fields, now = await room.fields(), time.time()
    assert holds(fields, first) and holds(fields, further)
    monkeypatch.setattr(time, "time", lambda: now + 62)
    assert not holds(fields, first) and not holds(fields, further)
    await every.make(room, NewInvitation())
    monkeypatch.undo()


async def test_a_name_with_anothers_mark(room: Room) -> None:
    """Whoever is called as another would be, told apart, is told apart from that one."""
    for user, name, marks in [
        ("ben", "ann (cid)", 0),
        ("ann", "ann", 0),
        ("cid", "ann", 2),
        ("ben", "ann", 1),
    ]:
        wanted = [Wanted(user, name, f" ({user})")]
        assert await room.enter(wanted, [user], 60_000, surely=False) == (user, user, marks)


async def test_who_was_let_in_and_never_came(room: Room) -> None:
    """Holds its id for a moment, and then nothing."""
    ann = Wanted("ann", "ann", " (2)")
    assert await room.enter([ann], ["hers"], 60_000, surely=False) == ("ann", "hers", 0)
    assert await room.enter([ann], ["another's"], 60_000, surely=False) is None
    assert await room.enter([ann], ["hers"], -1000, surely=False) == ("ann", "hers", 0)
    assert await room.enter([ann], ["another's"], 60_000, surely=False) == ("ann", "another's", 0)


def test_by_what_an_id_is_held() -> None:
    """It says nothing in another room."""
    assert _held_by("a", "secret") != _held_by("b", "secret")


def test_whose_pace() -> None:
    """Who writes too fast holds up nobody else."""
    pace = Pace()
    with pytest.raises(TooBusy):
        for _ in range(100):
            pace.take("ann")
    pace.take("ben")
