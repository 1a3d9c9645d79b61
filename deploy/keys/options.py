"""What `headrace keys` and `headrace tenants` take on their command lines: times, lists and limits."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter, Token

from deploy.numbers import Whole

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def _duration(_: object, tokens: Sequence[Token]) -> int:
    text = tokens[0].value
    found = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    if found is None:
        raise ValueError(f"{text!r} is no time such as 90s, 15m, 12h, 30d or 2w")
    return int(found[1]) * _UNITS_S[found[2]]


def _listed(_: object, tokens: Sequence[Token]) -> tuple[str, ...]:
    return tuple(item.strip() for token in tokens for item in token.value.split(",") if item.strip())


Duration = Annotated[int, Parameter(converter=_duration)]
Listed = Annotated[
    tuple[str, ...], Parameter(converter=_listed, consume_multiple=False, n_tokens=1, negative=())
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """What may be used; what is not named has no limit.

    Parameters
    ----------
    requests_per_minute
        Requests a minute that begin a reply, and as many others.
    max_concurrent
        Replies at once, waiting ones included.
    max_queued
        Of them, those that wait for a worker.
    max_streams
        Open streams.
    tokens_per_minute
        Tokens a minute.
    tokens_per_day
        Tokens a day (UTC).
    tokens_per_month
        Tokens a month.
    cost_per_day
        Money a day, by the prices of the models.
    cost_per_month
        Money a month.
    models
        The only models that may be asked, comma-separated.
    max_tokens
        The longest reply.
    """

    requests_per_minute: Whole | None = None
    max_concurrent: Whole | None = None
    max_queued: Whole | None = None
    max_streams: Whole | None = None
    tokens_per_minute: Whole | None = None
    tokens_per_day: Whole | None = None
    tokens_per_month: Whole | None = None
    cost_per_day: float | None = None
    cost_per_month: float | None = None
    models: Listed | None = None
    max_tokens: Whole | None = None

    def limits(self) -> Any:
        """As they are kept. Raises `ValueError`."""
        from shared.limits import Limits

        return msgspec.convert(
            {name: value for name, value in asdict(self).items() if value is not None}, Limits
        )
