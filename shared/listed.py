"""The names that the wildcard's upstreams list: workers write them into the broker, gateways read them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from shared import keys
from shared.broker import Broker
from shared.models import WILDCARD

#: As long as nobody has asked the servers anew.
_KEPT_MS = 24 * 3600 * 1000


async def write(broker: Broker, listed: Mapping[str, Sequence[str]]) -> None:
    """What each upstream lists. Raises `BrokerUnavailable`."""
    cell = broker.cells.home
    said = msgspec.json.encode(listed)
    await broker.call("listed", cell, "SET", cell.key(keys.LISTED, WILDCARD), said, "PX", _KEPT_MS)


async def read(broker: Broker) -> dict[str, list[str]]:
    """The same; nothing where nobody has written it. Raises `BrokerUnavailable`."""
    cell = broker.cells.home
    raw = await broker.call("listed", cell, "GET", cell.key(keys.LISTED, WILDCARD))
    return {} if raw is None else msgspec.json.decode(raw, type=dict[str, list[str]])


def names(listed: Mapping[str, Iterable[str]], ours: Iterable[str]) -> list[str]:
    """
    How they are asked for: as they are listed, and as `<upstream>/<name>` where several list the same, or it
    is one of *ours*.
    """
    taken = Counter(name for each in listed.values() for name in {*each})
    taken.update(ours)
    return [
        name if taken[name] == 1 else f"{upstream}/{name}"
        for upstream, each in listed.items()
        for name in dict.fromkeys(each)
    ]
