"""Whether ports are free, and finding some that are."""

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


def test_free() -> None:
    """Free ports come in a row."""
    first = ports.free("127.0.0.1", 3)
    for port in range(first, first + 3):
        ports.check("127.0.0.1", port)


def test_near(taken: int) -> None:
    """The wanted port if it is free, else another; never one that was given out already."""
    wanted = ports.free("127.0.0.1")
    assert ports.free_near("127.0.0.1", wanted) == wanted
    assert ports.free_near("127.0.0.1", wanted, {wanted}) != wanted
    assert ports.free_near("127.0.0.1", taken) != taken
