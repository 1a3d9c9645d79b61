"""
Who sends a request. History belongs to tenant and user, never to the key that a request came with.

A tenant pays, its users own conversations; a tenant's keys that name no user share what has none.
"""

import hashlib
from typing import Literal

import msgspec

from shared.limits import Level

#: What an asker may do: begin and stop replies, read what is kept, manage its tenant's keys.
Scope = Literal["chat", "read", "admin"]

SCOPES: tuple[Scope, ...] = ("chat", "read", "admin")
#: What a configured key may, and whoever comes where no key is asked for.
USUAL_SCOPES: frozenset[Scope] = frozenset(("chat", "read"))


def owner_of(tenant: str, user: str) -> str:
    """The keyspace's name for a user of a tenant: of fixed length, unlike that of any other."""
    return _hashed(f"{len(tenant)}:{tenant}:{user}")


def scope_of(tenant: str) -> str:
    """The keyspace's name for a tenant, whatever characters its own has."""
    return hashlib.sha256(f"tenant:{tenant}".encode(errors="surrogatepass")).hexdigest()[:24]


def _hashed(text: str) -> str:
    return hashlib.sha256(f"owner:{text}".encode(errors="surrogatepass")).hexdigest()[:24]


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Made once a request, in `gateway/edge/auth.py`."""

    tenant: str
    user: str = ""
    #: The keyspace's name for both, under which their history stands.
    owner: str
    scopes: frozenset[Scope] = USUAL_SCOPES
    #: How much of a queue is its tenant's own, beside others.
    weight: float = 1
    #: What it asks for comes after all that somebody waits for.
    in_background: bool = False
    #: What it uses is counted for each of these; none where nothing is counted.
    levels: tuple[Level, ...] = ()
    #: The API key's id, where there is one.
    key: str | None = None
    #: Which of the key's secrets it was, by a mark that tells nothing of it; '' where that does not matter.
    secret: str = ""
    #: The id of the page's session, where there is one.
    session: str | None = None
    #: Seconds since the epoch after which it opens nothing any more: an issuer's token expires.
    until: float | None = None
    #: The one generation that it may read, where it has a stream's token.
    only: str | None = None
    #: Whether its requests that begin no reply are counted: a program's are, the page's own are not.
    reads_counted: bool = False

    @property
    def models(self) -> frozenset[str] | None:
        """The only models it may ask; None where all."""
        named = [frozenset(level.limits.models) for level in self.levels if level.limits.models is not None]
        return frozenset.intersection(*named) if named else None

    @property
    def max_tokens(self) -> int | None:
        """The most tokens that a reply may have."""
        bounds = [level.limits.max_tokens for level in self.levels if level.limits.max_tokens is not None]
        return min(bounds, default=None)


#: Whoever comes where no key is asked for.
ANONYMOUS = Asker(tenant="anonymous", owner=_hashed(""))


def legacy_owner(key: str) -> str:
    """The name under which what a configured key owns has stood since before there were tenants."""
    return _hashed(key)


def of_configured_key(key: str) -> Asker:
    """The asker of one of `HEADRACE_API_KEYS`: a tenant of its own, whose name tells nothing of the key."""
    owner = legacy_owner(key)
    return Asker(tenant=f"key-{owner[:12]}", owner=owner, levels=(Level("tenant"),))
