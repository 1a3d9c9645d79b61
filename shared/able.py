"""What workers can speak: each that can says so now and then, gateways go by it."""

import msgspec

from shared import keys
from shared.broker import Broker
from shared.speech import Able

#: For so long one worker's word is good; it says it again long before.
_GOOD_MS = 30_000
SAY_EVERY_S = 8.0


async def say_able(broker: Broker, able: Able) -> None:
    """A worker can speak. Raises `BrokerUnavailable`."""
    cell = broker.cells.home
    await broker.call("speaks", cell, "SET", cell.key(keys.SPEAKS), msgspec.json.encode(able), "PX", _GOOD_MS)


async def read_able(broker: Broker) -> Able | None:
    """What can be spoken here; None where no worker speaks. Raises `BrokerUnavailable`."""
    cell = broker.cells.home
    raw = await broker.call("speaks", cell, "GET", cell.key(keys.SPEAKS))
    return None if raw is None else msgspec.json.decode(raw, type=Able)
