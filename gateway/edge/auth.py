"""Who asks: the one place where what a request carries becomes an `Asker`."""

import hmac

from aiohttp import web

from shared.asker import ANONYMOUS, Asker, of_configured_key
from shared.errors import Unauthorized
from shared.settings import Settings


class Keyring:
    """Checks `Authorization: Bearer <key>` against the configured keys."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [(key.encode(), of_configured_key(key)) for key in settings.keys]

    def asker(self, request: web.Request) -> Asker:
        """Who sends *request*. Raises `Unauthorized`. Every key is compared, in constant time."""
        if not self._keys:
            return ANONYMOUS
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        sent = given.strip().encode() if scheme.lower() == "bearer" else b""
        found = None
        for key, asker in self._keys:
            if hmac.compare_digest(key, sent):
                found = asker
        if found is None:
            raise Unauthorized()
        return found
