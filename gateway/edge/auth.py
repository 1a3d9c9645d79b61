"""Who asks: an API key's owner, or the one anonymous owner where no keys are set."""

import hashlib
import hmac

from aiohttp import web

from shared.errors import Unauthorized
from shared.settings import Settings


def owner_of(key: str) -> str:
    """An owner's name in the keyspace: tells nothing of the key, and is of fixed length."""
    return hashlib.sha256(f"owner:{key}".encode()).hexdigest()[:24]


ANONYMOUS = owner_of("")


class Keyring:
    """Checks `Authorization: Bearer <key>` against the configured keys."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [(key.encode(), owner_of(key)) for key in settings.keys]

    def owner(self, request: web.Request) -> str:
        """The request's owner. Raises `Unauthorized`. Every key is compared, in constant time."""
        if not self._keys:
            return ANONYMOUS
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        sent = given.strip().encode() if scheme.lower() == "bearer" else b""
        found = None
        for key, owner in self._keys:
            if hmac.compare_digest(key, sent):
                found = owner
        if found is None:
            raise Unauthorized()
        return found
