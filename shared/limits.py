"""
What an asker may use: limits of a key, of a tenant, of an address; each unset one is no limit.

Where several levels hold, each of them has to have room.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_Count = Annotated[int, Meta(ge=1, le=2**40)] | None
_Money = Annotated[float, Meta(gt=0, le=1e9)] | None

#: What can be used up. `reads` are the requests that begin no reply, counted apart so that neither starves
#: the other.
Limited = Literal[
    "requests", "reads", "concurrent", "queued", "streams", "tokens", "tokens_day", "tokens_month",
    "cost_day", "cost_month",
]  # fmt: skip


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """All that can be limited. A minute is any sixty seconds; days and months are UTC's."""

    #: Requests a minute that begin a reply, and as many others; resuming and stopping are never counted.
    requests_per_minute: _Count = None
    #: Replies that have not ended.
    max_concurrent: _Count = None
    #: Of them, those that no worker has begun.
    max_queued: _Count = None
    #: Streams open at once, at all gateways together.
    max_streams: _Count = None
    #: Tokens of prompts and replies: reserved when a request is accepted, settled when its reply has ended.
    tokens_per_minute: _Count = None
    tokens_per_day: _Count = None
    tokens_per_month: _Count = None
    #: Money, by the prices in models.toml.
    cost_per_day: _Money = None
    cost_per_month: _Money = None
    #: The only models that may be asked.
    models: tuple[str, ...] | None = None
    #: The most tokens that a reply may have.
    max_tokens: _Count = None

    @property
    def least_tokens(self) -> int | None:
        """The narrowest of its bounds on tokens."""
        bounds = (self.tokens_per_minute, self.tokens_per_day, self.tokens_per_month)
        return min((bound for bound in bounds if bound is not None), default=None)


NO_LIMITS = Limits()


class Level(msgspec.Struct, frozen=True):
    """Something that is counted by itself: a key, a tenant, an address."""

    #: Its name in the keyspace, below its tenant's.
    name: str
    limits: Limits = NO_LIMITS
