"""Whether ports are free, and finding some that are."""

import random
import socket
from collections.abc import Iterator

import pytest

from deploy.up import ports


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_taken(taken: int) -> None:
    """A taken port is named, with the way out."""
    with pytest.raises(ports.PortTaken, match=f"port {taken} .*--port"):
        ports.check("127.0.0.1", taken)


def test_not_an_address_of_ours() -> None:
    """An address that this machine does not have is no taken port."""
    with pytest.raises(ports.PortTaken, match="cannot be listened on"):
        ports.check("192.0.2.1", 8000)


def test_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free ports come in a row, each of them looked at."""
    half, whole = ports.free("127.0.0.1", 3), ports.free("127.0.0.1", 3)
    looked = iter((half, whole))
    with socket.create_server(("127.0.0.1", half + 2)), monkeypatch.context() as chosen:
        chosen.setattr(random, "randrange", lambda *_: next(looked))
        assert ports.free("127.0.0.1", 3) == whole
    for port in range(whole, whole + 3):
        ports.check("127.0.0.1", port)


def test_near(taken: int) -> None:
    """The wanted port if it is free, else another; never one that was given out already."""
    wanted = ports.free("127.0.0.1")
    assert ports.free_near("127.0.0.1", wanted) == wanted
    assert ports.free_near("127.0.0.1", wanted, {wanted}) != wanted
    assert ports.free_near("127.0.0.1", taken) != taken


def test_held() -> None:
    """Ours from when they are chosen; whoever starts at the same time chooses others."""
    one, other = ports.Held(), ports.Held()
    port = one.take_free_near("127.0.0.1", ports.free("127.0.0.1"))
    assert not other.take("127.0.0.1", port)
    assert other.take_free_near("127.0.0.1", port) != port
    one.let_go()
    assert other.take("127.0.0.1", port)
    other.let_go()
