"""P19: a room's log has each piece of a reply once, whichever gateways carry it there."""

from gateway.rooms.log import Room, Said
from tests.kit.local import Local


async def test_a_piece_that_two_gateways_carry(local: Local) -> None:
    """It is taken by its position: nothing twice, nothing older, and nothing of another reply."""
    await local.start(worker=False)
    room = Room(local.state.broker, local.settings(), "r", "o")
    await room.open({})
    await room.change({"active": "gen_x"})
    carried = ["1-1", "1-2", "1-2", "1-1", "1-4", "2-1", "1-5", "2-1", "2-2"]
    assert await room.say([Said(position.encode(), position) for position in carried], "gen_x") == 5
    assert await room.say([Said(b"3-1", "3-1")], "gen_y") == 0
    entries = [entry for _, entry in await room.read(0) if b"{" not in entry]
    assert entries == [b"1-1", b"1-2", b"1-4", b"2-1", b"2-2"]
