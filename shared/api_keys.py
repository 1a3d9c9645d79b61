"""
API keys `hr_<id>_<secret>`: made, listed, rotated, revoked. Only a seal of the secret is kept; the key itself
is given to whoever makes or rotates it, once.
"""

import hashlib
import re
import secrets
import string
from collections.abc import Iterable
from typing import Literal

import msgspec

from shared import keys
from shared.asker import SCOPES, USUAL_SCOPES, Scope, legacy_owner
from shared.broker import Broker
from shared.errors import Conflict, InvalidRequest, NotFound
from shared.events import now_ms
from shared.generation import Priority
from shared.lifetimes import FOREVER_S, LISTED_S
from shared.limits import NO_LIMITS, Limits
from shared.names import shown_name
from shared.sealing import Sealing
from shared.tenants import Tenants, checked_name

PREFIX = "hr_"
_LETTERS = string.ascii_lowercase + string.digits
_ID_CHARS, _SECRET_CHARS = 12, 50
_KEY = re.compile(rf"{PREFIX}([a-z0-9]{{{_ID_CHARS}}})_([a-z0-9]{{{_SECRET_CHARS}}})", re.ASCII)

#: Whether a key may name the user it acts for: on its own word, or with a signature (see PROTOCOL).
ActsFor = Literal["trusted", "signed"]
Status = Literal["active", "expired", "revoked"]


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a key. Times are milliseconds since the epoch."""

    id: str
    tenant: str
    user: str = ""
    scopes: tuple[Scope, ...]
    #: What people call it.
    label: str = ""
    acts_for: ActsFor | None = None
    #: Of all that it asks for.
    priority: Priority = "interactive"
    limits: Limits = NO_LIMITS
    created_ms: int
    #: Who made it: a key's id, or `command line`.
    created_by: str = ""
    expires_ms: int | None = None
    revoked_ms: int | None = None
    rotated_ms: int | None = None
    first_used_ms: int | None = None
    #: To the minute.
    last_used_ms: int | None = None
    seal: str
    #: What its secret was sealed as before it was rotated, and until when that one still opens.
    old_seal: str = ""
    old_until_ms: int = 0

    @property
    def status(self) -> Status:
        """Whether it opens anything."""
        if self.revoked_ms is not None:
            return "revoked"
        return "expired" if self.expires_ms is not None and self.expires_ms <= now_ms() else "active"

    @property
    def seals(self) -> list[str]:
        """Of the secrets that open it now."""
        return [self.seal, self.old_seal] if self.old_seal and now_ms() < self.old_until_ms else [self.seal]


class ShownKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key as people see it: nothing that its secret could be checked against."""

    id: str
    tenant: str
    user: str = ""
    scopes: tuple[Scope, ...] = msgspec.field()
    status: Status = msgspec.field()
    label: str = ""
    acts_for: ActsFor | None = None
    priority: Priority = "interactive"
    limits: Limits = NO_LIMITS
    created_ms: int = msgspec.field()
    created_by: str = ""
    expires_ms: int | None = None
    revoked_ms: int | None = None
    rotated_ms: int | None = None
    first_used_ms: int | None = None
    last_used_ms: int | None = None
    #: Until when the secret from before it was rotated still opens.
    old_until_ms: int = 0


def shown(key: ApiKey) -> ShownKey:
    """*key* for people."""
    return ShownKey(**{name: getattr(key, name) for name in ShownKey.__struct_fields__})


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is to be made."""

    tenant: str
    user: str = ""
    scopes: tuple[Scope, ...] = tuple(sorted(USUAL_SCOPES))
    label: str = ""
    acts_for: ActsFor | None = None
    priority: Priority = "interactive"
    limits: Limits = NO_LIMITS
    expires_s: int | None = None


def parsed(key: str) -> tuple[str, str] | None:
    """A key's id and secret; None for what is no key of ours."""
    found = _KEY.fullmatch(key)
    return (found[1], found[2]) if found else None


class ApiKeys:
    """All keys behind one broker. Every call raises `BrokerUnavailable` while that is away."""

    def __init__(self, broker: Broker, sealing: Sealing, tenants: Tenants) -> None:
        self._broker = broker
        self._home = broker.cells.home
        self._sealing = sealing
        self._tenants = tenants

    async def create(self, wanted: Wanted, by: str, takes_over: str | None = None) -> tuple[ApiKey, str]:
        """
        Make a key; gives it with its only appearance in plain. With *takes_over*, a configured key, its
        tenant's user goes on with what that one owns.

        Raises `InvalidRequest` for what cannot be, `Conflict` for what somebody else has taken over.
        """
        checked_name(wanted.tenant, "tenant")
        if wanted.user:
            checked_name(wanted.user, "user")
        scopes = checked_scopes(wanted.scopes)
        if wanted.acts_for and wanted.user:
            raise InvalidRequest("A key acts for one user or for many, not for both.", field="user")
        if wanted.expires_s is not None and not 0 < wanted.expires_s <= FOREVER_S:
            raise InvalidRequest("A key expires within ten years.", field="expires")
        if takes_over is not None:
            await self._tenants.take_over(wanted.tenant, wanted.user, legacy_owner(takes_over))
        key_id, secret = _letters(_ID_CHARS), _letters(_SECRET_CHARS)
        now = now_ms()
        key = ApiKey(
            id=key_id,
            tenant=wanted.tenant,
            user=wanted.user,
            scopes=scopes,
            label=shown_name(wanted.label, 200),
            acts_for=wanted.acts_for,
            priority=wanted.priority,
            limits=wanted.limits,
            created_ms=now,
            created_by=by,
            expires_ms=None if wanted.expires_s is None else now + wanted.expires_s * 1000,
            seal=await self._sealing.seal("key", secret),
        )
        lives_s = FOREVER_S if wanted.expires_s is None else min(FOREVER_S, wanted.expires_s + LISTED_S)
        # Listed first: a key that no list has could not be revoked.
        listed = self._home.key(keys.API_KEYS)
        commands = [("ZADD", listed, now, key_id), ("EXPIRE", listed, FOREVER_S)]
        await self._broker.pipe("create_key", self._home, commands)
        await self._write(key, lives_s)
        return key, f"{PREFIX}{key_id}_{secret}"

    async def load(self, key_id: str) -> ApiKey | None:
        """The key of that id, whether or not it still opens anything."""
        fields = await self._broker.call("load_key", self._home, "HGETALL", self._key(key_id))
        return _parse(key_id, fields)

    async def listed(self, tenant: str | None = None) -> list[ApiKey]:
        """All keys, or those of *tenant*, the oldest first."""
        listed = self._home.key(keys.API_KEYS)
        ids = [
            raw.decode() for raw in await self._broker.call("list_keys", self._home, "ZRANGE", listed, 0, -1)
        ]
        commands = [("HGETALL", self._key(key_id)) for key_id in ids]
        rows = await self._broker.pipe("list_keys", self._home, commands) if ids else []
        if gone := [key_id for key_id, fields in zip(ids, rows, strict=True) if not fields]:
            await self._broker.call("list_keys", self._home, "ZREM", listed, *gone)
        found = [_parse(key_id, fields) for key_id, fields in zip(ids, rows, strict=True)]
        return [key for key in found if key is not None and tenant in {None, key.tenant}]

    async def rotate(self, key_id: str, overlap_s: int, tenant: str | None = None) -> tuple[ApiKey, str]:
        """A new secret for a key, whose old one opens *overlap_s* longer. Raises `NotFound`, `Conflict`."""
        key = await self._of(key_id, tenant)
        if key.status != "active":
            raise Conflict(f"The key is {key.status}: make another.", field="id")
        secret, now = _letters(_SECRET_CHARS), now_ms()
        key = msgspec.structs.replace(
            key,
            seal=await self._sealing.seal("key", secret),
            old_seal=key.seal,
            old_until_ms=now + overlap_s * 1000,
            rotated_ms=now,
        )
        changed = {name: getattr(key, name) for name in ("seal", "old_seal", "old_until_ms", "rotated_ms")}
        await self._change(key_id, changed)
        return key, f"{PREFIX}{key_id}_{secret}"

    async def revoke(self, key_id: str, tenant: str | None = None) -> ApiKey:
        """From now on it opens nothing; a gateway that has just read it goes by that for `key_cache_s`."""
        key = await self._of(key_id, tenant)
        if key.revoked_ms is None:
            key = msgspec.structs.replace(key, revoked_ms=now_ms())
            await self._change(key_id, {"revoked_ms": key.revoked_ms}, lives_s=LISTED_S)
        return key

    async def used(self, key: ApiKey) -> bool:
        """Note that *key* was used just now; True if it was for the first time."""
        name, now = self._key(key.id), now_ms()
        commands = [
            ("HSETNX", name, "first_used_ms", now),
            ("HSET", name, "last_used_ms", now),
            ("HEXISTS", name, "tenant"),
        ]
        first, _, there = await self._broker.pipe("use_key", self._home, commands, transaction=True)
        if not there:
            # What has expired meanwhile must not come back as these two.
            await self._broker.call("use_key", self._home, "DEL", name)
        return bool(first)

    async def opened_by(self, key: ApiKey, secret: str) -> str | None:
        """The mark of *secret*, if it is one of *key*'s; None, and as slowly, if not."""
        matched = [mark(seal) for seal in key.seals if await self._sealing.opens("key", secret, [seal])]
        return matched[0] if matched else None

    async def _of(self, key_id: str, tenant: str | None) -> ApiKey:
        key = await self.load(key_id)
        if key is None or tenant not in {None, key.tenant}:
            raise NotFound("There is no key of that id.", field="id")
        return key

    async def _write(self, key: ApiKey, lives_s: int) -> None:
        fields = {name: value for name, value in msgspec.to_builtins(key).items() if value is not None}
        del fields["id"]
        await self._change(key.id, fields, lives_s=lives_s)

    async def _change(self, key_id: str, fields: dict[str, object], lives_s: int | None = None) -> None:
        written = [item for name, value in fields.items() for item in (name, _text(value))]
        commands: list[tuple[object, ...]] = [("HSET", self._key(key_id), *written)]
        if lives_s is not None:
            commands.append(("EXPIRE", self._key(key_id), lives_s))
        await self._broker.pipe("write_key", self._home, commands, transaction=True)

    def _key(self, key_id: str) -> str:
        return self._home.key(keys.API_KEY, key_id)


def mark(seal: str) -> str:
    """What tells a secret from the one that takes its place, and nothing else of it."""
    return hashlib.sha256(seal.encode()).hexdigest()[:12]


def checked_scopes(scopes: Iterable[str]) -> tuple[Scope, ...]:
    """*scopes* in their order, each once. Raises `InvalidRequest`."""
    given = {*scopes}
    if unknown := given - {*SCOPES}:
        raise InvalidRequest(
            f"There is no scope {min(unknown)!r}; there is: {', '.join(SCOPES)}.", field="scopes"
        )
    if not given:
        raise InvalidRequest("A key needs a scope.", field="scopes")
    return tuple(scope for scope in SCOPES if scope in given)


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))


def _text(value: object) -> str | int:
    return value if isinstance(value, str | int) else msgspec.json.encode(value).decode()


def _parse(key_id: str, fields: dict[bytes, bytes]) -> ApiKey | None:
    if b"tenant" not in fields:
        return None
    known: dict[str, object] = {name.decode(): value.decode() for name, value in fields.items()}
    for name in ("scopes", "limits"):
        known[name] = msgspec.json.decode(fields[name.encode()])
    return msgspec.convert({**known, "id": key_id}, ApiKey, strict=False)
