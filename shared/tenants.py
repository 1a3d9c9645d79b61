"""Tenants: their limits, their weight among others, and what of theirs stood under another name before."""

import re

import msgspec

from shared import keys
from shared.asker import owner_of
from shared.broker import Broker
from shared.errors import Conflict, InvalidRequest
from shared.lifetimes import FOREVER_S
from shared.limits import NO_LIMITS, Limits
from shared.names import seen

_NAME = re.compile(
    r"[^\s\x00-\x1f\x7f\ud800-\udfff](?:[^\x00-\x1f\x7f\ud800-\udfff]{0,126}[^\s\x00-\x1f\x7f\ud800-\udfff])?"
)
#: Names of ours, of askers that no key was made for.
_RESERVED = re.compile(r"anonymous|key-[0-9a-f]{12}")


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a tenant; one that nobody has set anything of is as good."""

    name: str
    limits: Limits = NO_LIMITS
    #: How much of a queue is its own beside others, all of whom are 1 unless said.
    weight: float = 1
    #: Owners of before there were tenants, by the user who has taken them over.
    owners: dict[str, str] = {}

    def owner(self, user: str) -> str:
        """The keyspace's name for *user*."""
        return self.owners.get(user) or owner_of(self.name, user)


class Tenants:
    """All tenants behind one broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def load(self, name: str) -> Tenant:
        """What is kept of a tenant. Raises `BrokerUnavailable`."""
        home = self._broker.cells.home
        fields = await self._broker.call("load_tenant", home, "HGETALL", home.key(keys.TENANT, name))
        owners = {
            field.decode().removeprefix("owner:"): owner.decode()
            for field, owner in fields.items()
            if field.startswith(b"owner:")
        }
        return Tenant(
            name=name,
            limits=msgspec.json.decode(fields.get(b"limits", b"{}"), type=Limits),
            weight=float(fields.get(b"weight", 1)),
            owners=owners,
        )

    async def change(self, name: str, *, limits: Limits | None = None, weight: float | None = None) -> Tenant:
        """Set what is given, leave the rest. Gateways know within `key_cache_s`."""
        checked_name(name, "tenant")
        fields: dict[str, str | float] = {}
        if limits is not None:
            fields["limits"] = msgspec.json.encode(limits).decode()
        if weight is not None:
            if not 0.01 <= weight <= 1000:
                raise InvalidRequest("A weight is between 0.01 and 1000.", field="weight")
            fields["weight"] = weight
        if fields:
            await self._write(name, fields)
        return await self.load(name)

    async def take_over(self, name: str, user: str, owner: str) -> None:
        """
        From now on *user* owns what stands under *owner*: nothing is moved, so nothing can be lost half-way.

        Raises `Conflict` where another has taken it over, or where this user has something else already.
        """
        home = self._broker.cells.home
        key = home.key(keys.TAKEN, owner)
        _, taken, mine = await self._broker.pipe(
            "take_over",
            home,
            [
                ("SET", key, f"{name}\n{user}", "NX", "EX", FOREVER_S),
                ("GET", key),
                ("HGET", home.key(keys.TENANT, name), f"owner:{user}"),
            ],
        )
        if taken != f"{name}\n{user}".encode() or mine not in {None, owner.encode()}:
            raise Conflict("That history has been taken over already, or this user has taken over another.")
        await self._write(name, {f"owner:{user}": owner})

    async def _write(self, name: str, fields: dict[str, str | float]) -> None:
        home = self._broker.cells.home
        key = home.key(keys.TENANT, name)
        written = [item for field in fields.items() for item in field]
        commands = [("HSET", key, *written), ("EXPIRE", key, FOREVER_S)]
        await self._broker.pipe("write_tenant", home, commands, transaction=True)


def is_reserved(name: str) -> bool:
    """Whether a tenant's name is one of ours: of whoever comes without a key, or with a configured one."""
    return _RESERVED.fullmatch(name) is not None


def checked_name(name: str, field: str) -> str:
    """A tenant's or user's name: 1 to 128 characters, all of them seen. Raises `InvalidRequest`."""
    if not _NAME.fullmatch(name) or seen(name) != name or (field == "tenant" and is_reserved(name)):
        raise InvalidRequest(f"`{field}` must have 1 to 128 visible characters.", field=field)
    return name
