"""The door: a crowd of requests begins by and by, in the order in which it came."""

import asyncio
from functools import partial

from gateway.edge.door import Door


async def test_a_crowd_enters_by_and_by() -> None:
    """So many a round, in order, nobody twice and nobody left."""
    loop = asyncio.get_running_loop()
    door, rounds = Door(loop, most=3), [list[int]()]
    for i in range(10):
        if door.enter(lambda i=i: rounds[-1].append(i)):  # type: ignore[misc]
            rounds[-1].append(i)
    while sum(map(len, rounds)) < 10:
        rounds.append([])
        await asyncio.sleep(0)
    assert [entered for entered in rounds if entered] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


async def test_who_comes_alone_does_not_wait() -> None:
    """Nor does the one after a crowd that has entered."""
    entered = list[str]()
    door = Door(asyncio.get_running_loop(), most=2)
    for _ in range(3):
        assert door.enter(partial(entered.append, "late"))
        assert door.enter(partial(entered.append, "late"))
        assert not door.enter(partial(entered.append, "turn"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert entered == ["turn"] * 3


async def test_who_comes_while_others_wait_stands_behind_them() -> None:
    """Also in a round that has room left."""
    entered = list[str]()
    door = Door(asyncio.get_running_loop(), most=1)
    assert door.enter(partial(entered.append, "none"))
    assert not door.enter(lambda: entered.append(f"first, {door.enter(partial(entered.append, 'third'))}"))
    assert not door.enter(partial(entered.append, "second"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert entered == ["first, False", "second", "third"]
