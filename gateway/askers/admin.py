"""
A tenant's keys and what they have used, for those of its keys that have the scope `admin`: its own, never
another's.
"""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.edge.answers import answer_json
from gateway.edge.body import read_body
from gateway.edge.state import ASKER, STATE
from shared.api_keys import ActsFor, ApiKey, ShownKey, Wanted, shown
from shared.asker import Scope
from shared.generation import Priority
from shared.ledger import Used
from shared.limits import NO_LIMITS, Limits

Seconds = Annotated[int, Meta(ge=1, le=10 * 365 * 24 * 3600)]


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /api/admin/keys`"""

    user: str = ""
    scopes: list[Scope] = msgspec.field(default_factory=lambda: ["chat", "read"])
    expires_s: Seconds | None = None
    label: str = ""
    acts_for: ActsFor | None = None
    priority: Priority = "interactive"
    limits: Limits = NO_LIMITS


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /api/admin/keys/{key_id}/rotate`; the body may be left out."""

    #: How long the old secret still opens.
    overlap_s: Annotated[int, Meta(ge=0, le=30 * 24 * 3600)] = 24 * 3600


class MadeKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key with its secret, which is shown this once."""

    key: str
    about: ShownKey


class KeyList(msgspec.Struct, frozen=True):
    """`GET /api/admin/keys`, the oldest first"""

    keys: list[ShownKey]


class TenantUsage(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /api/admin/usage`: the tenant's as a whole, and that of each key (`key:…`) and user (`user:…`)."""

    tenant: str
    used: dict[str, Used]


async def create(request: web.Request) -> web.StreamResponse:
    """Make a key for your tenant. Its secret is in this answer and nowhere else."""
    body, asker, state = await read_body(request, NewKey), request[ASKER], request.app[STATE]
    wanted = Wanted(
        tenant=asker.tenant,
        user=body.user,
        scopes=tuple(body.scopes),
        label=body.label,
        acts_for=body.acts_for,
        priority=body.priority,
        limits=body.limits,
        expires_s=body.expires_s,
    )
    key, plain = await state.api_keys.create(wanted, asker.key or asker.user)
    _note(request, "key_created", key)
    return _made(key, plain, 201)


async def listed(request: web.Request) -> web.StreamResponse:
    """Your tenant's keys, revoked and expired ones included for a while."""
    found = await request.app[STATE].api_keys.listed(request[ASKER].tenant)
    return answer_json(KeyList([shown(key) for key in found]))


async def rotate(request: web.Request) -> web.StreamResponse:
    """Give a key a new secret; the old one opens until the overlap ends."""
    body = await read_body(request, Rotation) if request.can_read_body else Rotation()
    key, plain = await request.app[STATE].api_keys.rotate(
        request.match_info["key_id"], body.overlap_s, request[ASKER].tenant
    )
    _note(request, "key_rotated", key)
    return _made(key, plain, 200)


async def revoke(request: web.Request) -> web.StreamResponse:
    """Let a key open nothing any more, at any gateway."""
    key = await request.app[STATE].api_keys.revoke(request.match_info["key_id"], request[ASKER].tenant)
    _note(request, "key_revoked", key)
    return answer_json(shown(key))


async def usage(request: web.Request) -> web.StreamResponse:
    """What your tenant and each of its keys have used."""
    ledger, tenant = request.app[STATE].ledger, request[ASKER].tenant
    levels = await ledger.levels(tenant)
    return answer_json(
        TenantUsage(tenant=tenant, used={level: await ledger.used(tenant, level) for level in levels})
    )


def _made(key: ApiKey, plain: str, status: int) -> web.Response:
    answer = MadeKey(key=plain, about=shown(key))
    return answer_json(answer, status, {"Cache-Control": "no-store"})


def _note(request: web.Request, event: str, key: ApiKey) -> None:
    by = request[ASKER]
    request.app[STATE].audit.note(event, key=key.id, tenant=key.tenant, user=key.user, by=by.key or by.user)
