"""
Tokens for one stream, for what cannot send headers (EventSource, WebSocket): read only, for one generation of
one owner, good for connecting within a minute. A stream that is open stays open, as long as the key, token or
session does with which its own token was asked for.
"""

import time
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from shared.asker import Asker
from shared.errors import Unauthorized
from shared.generation import Generation
from shared.sealing import Sealing

LIVES_S = 60
#: The parameter of an address that holds one.
PARAMETER = "token"
_ALGORITHM = "HS256"
_AUDIENCE = "headrace stream"
_MOST_CHARS = 2048


class StreamTokens:
    """Makes and checks them; any gateway checks any other's."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing

    async def make(self, asker: Asker, generation: Generation) -> str:
        """One for *generation*, whose owner *asker* is."""
        key = (await self._sealing.derived("stream"))[0]
        claims = {
            "aud": _AUDIENCE,
            "sub": generation.owner,
            "gen": generation.id,
            "tenant": asker.tenant,
            "user": asker.user,
            "exp": int(time.time()) + LIVES_S,
            # What it ends with, before its time and with the stream that it has opened.
            "key": asker.key,
            "secret": asker.secret,
            "session": asker.session,
            "until": asker.until,
        }
        return jwt.encode({"alg": _ALGORITHM}, claims, OctKey.import_key(key))

    async def asker(self, token: str) -> Asker:
        """Who may read the one stream of *token*. Raises `Unauthorized`."""
        for key in await self._sealing.derived("stream") if len(token) <= _MOST_CHARS else []:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token, OctKey.import_key(key), algorithms=[_ALGORITHM]
                ).claims
            except (JoseError, ValueError, TypeError, KeyError, RecursionError):
                continue
            if claims.get("aud") == _AUDIENCE and time.time() < claims["exp"]:
                return Asker(
                    tenant=claims["tenant"],
                    user=claims["user"],
                    owner=claims["sub"],
                    scopes=frozenset(("read",)),
                    only=claims["gen"],
                    key=claims.get("key"),
                    secret=claims.get("secret") or "",
                    session=claims.get("session"),
                    until=claims.get("until"),
                )
        raise Unauthorized("This stream's token is not valid (any more): ask for another.")
