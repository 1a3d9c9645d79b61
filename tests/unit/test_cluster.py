"""Where cells are, by what nodes say of themselves and each other."""

import asyncio
from typing import Any

import pytest
from redis.crc import key_slot
from redis.exceptions import MovedError
from structlog.testing import capture_logs

from shared import keys
from shared.cells import Cells
from shared.cluster import Address, Cluster, is_cluster
from shared.errors import BrokerUnavailable

CELLS = Cells(8)
ONE, TWO = ("127.0.0.1", 1), ("127.0.0.1", 2)


def said(port: int, epoch: int, *ranges: tuple[int, int], **more: Any) -> dict[str, dict[str, Any]]:
    """What one node's line becomes."""
    slots = [[str(first), str(last)] for first, last in ranges]
    return {
        f"127.0.0.1:{port}": {"flags": "master", "hostname": "", "epoch": str(epoch), "slots": slots, **more}
    }


def cluster() -> Cluster:
    """Of which nothing is known yet."""
    return Cluster("redis+cluster://127.0.0.1:1", CELLS)


def test_addresses() -> None:
    """Nodes with their ports, IPv6, a password; no database and no service."""
    known = Cluster("rediss+cluster://user:p%40ss@one:1,two,[::1]:3", CELLS)
    assert list(known._nodes) == [("one", 1), ("two", 6379), ("::1", 3)]
    assert (known._options["username"], known._options["password"]) == ("user", "p@ss")
    for wrong in ("redis+cluster://", "redis+cluster://one:x", "redis+cluster://one:1/0"):
        with pytest.raises(ValueError, match="HEADRACE_REDIS_URL"):
            Cluster(wrong, CELLS)
    assert is_cluster("redis+cluster://one") and not is_cluster("redis+sentinel://one/m")


def test_the_greater_epoch_is_right() -> None:
    """A node that has not heard yet, or was away, moves nothing back."""
    known, cell = cluster(), next(iter(CELLS))
    with pytest.raises(BrokerUnavailable):
        known.primary(cell)
    known._take(ONE, said(1, 1, (0, 16383)))
    assert known.primary(cell) == ONE
    slot = key_slot(cell.key(keys.CLOCK).encode())
    known._take(TWO, said(1, 1, (0, slot - 1), (slot + 1, 16383)) | said(2, 2, (slot, slot)))
    assert known.primary(cell) == TWO
    assert {known.primary(each) for each in CELLS} == {ONE, TWO}
    known._take(ONE, said(1, 1, (0, 16383)))
    assert known.primary(cell) == TWO


def test_what_is_moved_is_followed() -> None:
    """At once, and whoever asked for it is told."""
    known, cell, moves = cluster(), next(iter(CELLS)), []
    known._take(ONE, said(1, 1, (0, 16383)))
    known.on_move(lambda: moves.append(known.primary(cell)))
    known.redirected(cell, MovedError("7 127.0.0.1:2"))  # type: ignore[no-untyped-call]
    assert moves == [TWO]


async def test_what_has_no_cell_any_more_is_broken_off() -> None:
    """A primary that hangs never says that it is none."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    known = Cluster(f"redis+cluster://127.0.0.1:{port}", CELLS)
    known._take(ONE, said(port, 1, (0, 16383)))
    connection = known.pool(("127.0.0.1", port), max_connections=1).make_connection()  # type: ignore[no-untyped-call]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection._reader, connection._writer = reader, writer
    known._take(ONE, said(2, 2, (0, 16383)))
    assert writer.transport.is_closing()
    server.close()


async def test_who_does_not_answer_is_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each look would wait for it again."""
    known, asked = Cluster("redis+cluster://127.0.0.1:1,127.0.0.1:2", CELLS), list[Address]()

    class Node:
        def __init__(self, address: Address) -> None:
            self.address = address

        async def execute_command(self, _: str) -> Any:
            asked.append(self.address)
            if self.address == ONE:
                raise TimeoutError
            return said(2, 1, (0, 16383))

    monkeypatch.setattr(known, "_client", Node)
    for _ in range(2):
        await known.look()
    assert asked == [ONE, TWO, TWO]


async def test_why_none_answers_is_said_once() -> None:
    """A cluster that is not there, or refuses the password, is named in the log, and not each second."""
    known = cluster()
    with capture_logs() as logged:
        for _ in range(3):
            with pytest.raises(BrokerUnavailable):
                await known.look()
    [line] = logged
    assert (line["log_level"], line["nodes"]) == ("warning", 1)
    assert "ConnectionError" in line["error"]
    await known.close()
