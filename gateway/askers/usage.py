"""What an asker has used, and what it may: its own, never another's."""

import msgspec
from aiohttp import web

from gateway.edge.answers import answer_json
from gateway.edge.state import ASKER, STATE
from shared.ledger import Used
from shared.limits import Limits


class AskerUsage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /api/usage`; days and months are UTC's."""

    tenant: str
    user: str = ""
    #: Whether what it uses is counted; where no key is asked for it is not, and there is no `used`.
    counted: bool = msgspec.field()
    used: Used | None = None
    #: What its own key, or address, may use; its tenant's limits hold beside these.
    limits: Limits = Limits()


async def show(request: web.Request) -> web.StreamResponse:
    """What you have used today and this month, and may use; to the last reply that has ended."""
    asker = request[ASKER]
    if not asker.levels:
        return answer_json(AskerUsage(tenant=asker.tenant, user=asker.user, counted=False))
    own = asker.levels[0]
    used = await request.app[STATE].ledger.used(asker.tenant, own.name)
    return answer_json(
        AskerUsage(tenant=asker.tenant, user=asker.user, counted=True, used=used, limits=own.limits)
    )
