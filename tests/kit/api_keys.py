"""API keys for a gateway inside the test."""

from typing import Any

from shared.api_keys import ApiKey, Wanted
from shared.limits import Limits
from tests.kit.local import Local

#: How long such a gateway goes by what it has read.
CACHE_S = 0.2


async def make_key(
    local: Local, tenant: str = "acme", *, limits: dict[str, Any] | None = None, **wanted: Any
) -> str:
    """A new key in plain."""
    return (await made_key(local, tenant, limits=limits, **wanted))[1]


async def made_key(
    local: Local, tenant: str = "acme", *, limits: dict[str, Any] | None = None, **wanted: Any
) -> tuple[ApiKey, str]:
    """What is kept of a new key, and the key in plain."""
    asked = Wanted(tenant=tenant, limits=Limits(**limits or {}), **wanted)
    return await local.state.api_keys.create(asked, "a test")
