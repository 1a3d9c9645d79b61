"""Whom a request counts for: the right-most address that is no proxy's of ours, whatever is forged."""

from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from pydantic import ValidationError

from gateway.edge.client_address import ClientAddresses
from shared.settings import Settings

PROXIES = "10.0.0.0/8, 192.0.2.7,fd00::/8"


def client(remote: str | None, *lines: str, proxies: str = PROXIES) -> str:
    """The client of a request with these lines of `X-Forwarded-For`."""
    request: Any = SimpleNamespace(
        remote=remote, headers=CIMultiDict([("x-forwarded-for", line) for line in lines])
    )
    return _addresses(proxies).of(request)


@cache
def _addresses(proxies: str) -> ClientAddresses:
    return ClientAddresses(Settings(trusted_proxies=proxies))


@pytest.mark.parametrize(
    ("remote", "lines", "counts"),
    [
        # Who connects, where that is no proxy: nobody else's word counts.
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("203.0.113.5", ["10.0.0.1"], "203.0.113.5"),
        # One proxy, which appended to its client's own line, or added a line of its own.
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6,10.0.0.9, 198.51.100.1"], "198.51.100.1"),
        # Several proxies; one's own client is a machine of ours.
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 192.0.2.7, 10.1.1.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1", "192.0.2.7"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        # What nobody can read counts for the proxy that passed it on; what is left of it is not believed.
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, , 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["198.51.100.1, 10.0.0.256"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, \u0661\u0660.0.0.2"], "10.0.0.1"),
        # With a port, in brackets, mapped; of IPv6 the network.
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8:1:2:3::4]:4711"], "2001:db8:1:2::"),
        ("10.0.0.1", ["2001:db8:1:2:9::9"], "2001:db8:1:2::"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1%eth0", ["198.51.100.1"], "198.51.100.1"),
        ("fe80::1%eth0", ["198.51.100.1"], "fe80::"),
        (None, ["198.51.100.1"], "unknown"),
    ],
)
def test_who_counts(remote: str | None, lines: list[str], counts: str) -> None:
    """The right-most address that is no proxy's."""
    assert client(remote, *lines) == counts


def test_off_by_default() -> None:
    """Without proxies the header means nothing, wherever it comes from."""
    assert client("127.0.0.1", "198.51.100.1", proxies="") == "127.0.0.1"


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126)), max_size=4))
def test_forged(lines: list[str]) -> None:
    """Nothing that a client sends moves it: its proxy's word comes last."""
    assert client("10.0.0.1", *lines, "198.51.100.1") == "198.51.100.1"
    assert client("10.0.0.1", ",".join([*lines, "198.51.100.1"])) == "198.51.100.1"
    assert client("203.0.113.5", *lines) == "203.0.113.5"


@pytest.mark.parametrize(
    "proxies", ["10.0.0.1/8", "proxy.local", "10.0.0.0/33", "0.0.0.0/0", "::/0", "1.2.3"]
)
def test_what_cannot_be_a_proxy(proxies: str) -> None:
    """Names, half addresses, and everybody."""
    with pytest.raises(ValidationError) as refused:
        Settings(trusted_proxies=f"10.0.0.1,{proxies}")
    assert [error["loc"] for error in refused.value.errors()] == [("trusted_proxies",)]
