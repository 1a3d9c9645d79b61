"""Who owns what: by tenant and user, and what stood under a key's hash before there were tenants."""

import hashlib

from hypothesis import given
from hypothesis.strategies import text, tuples

from shared.asker import ANONYMOUS, of_configured_key, owner_of

PEOPLE = tuples(text(max_size=4), text(max_size=4))


@given(PEOPLE, PEOPLE)
def test_nobody_is_somebody_else(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Two tenants or two users never share a name, whatever they are called."""
    assert (owner_of(*one) == owner_of(*other)) == (one == other)


def test_what_stood_before_tenants_is_still_theirs() -> None:
    """A configured key, and whoever comes without one, finds its history where earlier versions kept it."""
    for key, asker in (("alice-key", of_configured_key("alice-key")), ("", ANONYMOUS)):
        assert asker.owner == hashlib.sha256(f"owner:{key}".encode()).hexdigest()[:24]
        assert "alice-key" not in f"{asker}"
