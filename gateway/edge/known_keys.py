"""API keys as one gateway knows them: read from the broker, gone by for `key_cache_s`, and never longer."""

import asyncio
import hashlib
import hmac
import re
import time
from contextlib import suppress
from typing import NamedTuple

import msgspec
from aiohttp import web

from gateway.edge.remembered import Remembered
from shared.api_keys import PREFIX, ApiKey, ApiKeys, mark, parsed
from shared.asker import Asker, Scope
from shared.audit import Audit
from shared.errors import BrokerRefused, BrokerUnavailable, Forbidden, InvalidRequest, Unauthorized
from shared.events import now_ms
from shared.limits import Level
from shared.tenants import Tenant, Tenants, checked_name

_NOTED_EVERY_MS = 60_000
#: A signature of a user's name is good this long, before and after.
_SIGNED_S = 300
_SIGNATURE = re.compile(r"([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)

_WRONG = "This is no valid API key."


class _Known(NamedTuple):
    key: ApiKey | None
    tenant: Tenant | None


class KnownKeys:
    """Reads keys and tenants, and keeps them for a moment."""

    def __init__(self, keys: ApiKeys, tenants: Tenants, audit: Audit, fresh_s: float) -> None:
        self._keys, self._audit = keys, audit
        self._tenants = Remembered(tenants.load, fresh_s)
        self._known = Remembered(self._read, fresh_s)
        self._tasks: set[asyncio.Task[None]] = set()

    async def asker(self, request: web.Request | None, given: str) -> Asker | None:
        """Whose key *given* is; None where it is no key of this kind. Raises `Unauthorized`."""
        if not given.startswith(PREFIX):
            return None
        parts = parsed(given)
        if parts is None:
            raise Unauthorized(_WRONG)
        key_id, secret = parts
        key, tenant = await self._known.get(key_id)
        used = None if key is None else await self._keys.opened_by(key, secret)
        if key is not None and used is None:
            # It may be a secret given out since: who has just been told it is not to wait.
            key, tenant = await self._known.get_anew(key_id)
            used = None if key is None else await self._keys.opened_by(key, secret)
        if key is None or tenant is None or used is None:
            raise Unauthorized(_WRONG)
        if request is None and key.acts_for is not None:
            raise Forbidden("This key acts for others: nobody signs in with it.", field="key")
        asker = self.checked(key, tenant, key.user if request is None else _acts_for(request, key, secret))
        return msgspec.structs.replace(asker, secret=used)

    async def check(self, key_id: str, secret: str) -> None:
        """Raises `Unauthorized` where a key, or that one of its secrets, opens nothing any more."""
        key, _ = await self._known.get(key_id)
        if key is None:
            raise Unauthorized(_WRONG)
        _check(key)
        if secret and secret not in map(mark, key.seals):
            raise Unauthorized("This API key was replaced by another.")

    async def by_id(self, key_id: str) -> Asker | None:
        """
        The asker of a key that was checked before; None where there is none any more. Raises `Unauthorized`.
        """
        key, tenant = await self._known.get(key_id)
        return None if key is None or tenant is None else self.checked(key, tenant, key.user)

    async def of_subject(self, name: str, user: str, scopes: tuple[Scope, ...]) -> Asker:
        """Who asks for *user* of the tenant *name*, without a key."""
        tenant = await self._tenants.get(name)
        return Asker(
            tenant=name,
            user=user,
            owner=tenant.owner(user),
            scopes=frozenset(scopes),
            weight=tenant.weight,
            levels=(Level(f"user:{_hashed(user)}"), Level("tenant", tenant.limits)),
        )

    def checked(self, key: ApiKey, tenant: Tenant, user: str) -> Asker:
        """Who asks with *key* for *user*. Raises `Unauthorized` where it opens nothing any more."""
        _check(key)
        self._note_use(key, tenant)
        level = f"key:{key.id}"
        if key.acts_for is not None:
            level += f":{_hashed(user)}"
        return Asker(
            tenant=key.tenant,
            user=user,
            owner=tenant.owner(user),
            scopes=frozenset(key.scopes),
            weight=tenant.weight,
            in_background=key.priority == "background",
            levels=(Level(level, key.limits), Level("tenant", tenant.limits)),
            key=key.id,
            reads_counted=True,
        )

    async def close(self) -> None:
        """Returns once nothing is under way."""
        await self._known.close()
        await self._tenants.close()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _read(self, key_id: str) -> _Known:
        key = await self._keys.load(key_id)
        return _Known(key, None if key is None else await self._tenants.get(key.tenant))

    def _note_use(self, key: ApiKey, tenant: Tenant) -> None:
        now = now_ms()
        if key.last_used_ms is not None and now - key.last_used_ms < _NOTED_EVERY_MS:
            return
        self._known.put(key.id, _Known(msgspec.structs.replace(key, last_used_ms=now), tenant))
        task = asyncio.create_task(self._used(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _used(self, key: ApiKey) -> None:
        with suppress(BrokerUnavailable, BrokerRefused):
            if await self._keys.used(key):
                self._audit.note("key_first_used", key=key.id, tenant=key.tenant, user=key.user)


def _check(key: ApiKey) -> None:
    if key.status != "active":
        words = "has been revoked" if key.status == "revoked" else "has expired"
        raise Unauthorized(f"This API key {words}.")


def _hashed(user: str) -> str:
    return hashlib.sha256(user.encode()).hexdigest()[:16]


def _acts_for(request: web.Request, key: ApiKey, secret: str) -> str:
    """The user that *request* is for: the key's own, or the one it names where the key may."""
    name = request.headers.get("X-Headrace-User")
    if key.acts_for is None:
        if name is not None:
            raise Forbidden("This key does not act for users.", field="X-Headrace-User")
        return key.user
    if name is None:
        raise InvalidRequest(
            "This key acts for users: name one in `X-Headrace-User`.", field="X-Headrace-User"
        )
    checked_name(name, "X-Headrace-User")
    if key.acts_for == "signed" and not _is_signed(request, name, secret):
        raise Forbidden(
            "`X-Headrace-User-Signature` is missing, wrong or too old.", field="X-Headrace-User-Signature"
        )
    return name


def _is_signed(request: web.Request, name: str, secret: str) -> bool:
    found = _SIGNATURE.fullmatch(request.headers.get("X-Headrace-User-Signature", ""))
    if found is None or abs(time.time() - int(found[1])) > _SIGNED_S:
        return False
    made = hmac.new(secret.encode(), f"{found[1]}.{name}".encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(made, found[2])
