"""Addresses of sentinels."""

import pytest

from shared.sentinel import Sentinels, is_sentinel


def options(url: str) -> dict[str, object]:
    """What connections are opened with."""
    return Sentinels(url).pool(max_connections=1).connection_kwargs


def test_an_address_names_sentinels_service_and_database() -> None:
    """Each sentinel with its port, the default port, IPv6, a password, a database."""
    url = "redis+sentinel://user:p%40ss@one:1,two,[::1]:3,[::2]/mymaster/4"
    sentinels = Sentinels(url)
    addresses = [s.connection_pool.connection_kwargs for s in sentinels._sentinel.sentinels]
    assert [(a["host"], a["port"]) for a in addresses] == [
        ("one", 1),
        ("two", 26379),
        ("::1", 3),
        ("::2", 26379),
    ]
    assert sentinels._service == "mymaster"
    kept = options(url)
    assert (kept["username"], kept["password"], kept["db"]) == ("user", "p@ss", 4)
    assert "password" not in options("redis+sentinel://one/mymaster")


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://one:1",
        "redis+sentinel:///mymaster",
        "redis+sentinel://one:x/mymaster",
        "redis+sentinel://one/mymaster/x",
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    """It is refused by the setting's name."""
    with pytest.raises(ValueError, match="HEADRACE_REDIS_URL"):
        Sentinels(url)


def test_other_addresses_are_not_sentinels() -> None:
    """A broker's own address stays what it is."""
    assert is_sentinel("rediss+sentinel://one/mymaster")
    assert not any(is_sentinel(url) for url in ("redis://one:1/0", "rediss://one", "unix:///run/valkey.sock"))
