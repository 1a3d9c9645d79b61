"""
Sessions of people who signed in at the page: a cookie that scripts cannot read, and a record in the broker,
so that signing out ends one at every gateway, and signing out everywhere all of a user's.
"""

import secrets
import string
from typing import Any

import msgspec
from aiohttp import web

from gateway.edge.known_keys import KnownKeys
from gateway.edge.remembered import Remembered
from shared import keys
from shared.asker import Asker, Scope, of_configured_key, owner_of
from shared.broker import Broker
from shared.errors import Unauthorized
from shared.events import now_ms
from shared.sealing import Sealing
from shared.tenants import is_reserved

COOKIE = "headrace_session"
_LETTERS = string.ascii_lowercase + string.digits
_ID_CHARS, _SECRET_CHARS = 16, 50


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one; the cookie's own secret only as a seal."""

    tenant: str
    user: str = ""
    #: The key that it was begun with, without which it opens nothing; else an issuer vouched for it.
    key: str | None = None
    scopes: tuple[Scope, ...] = ()
    created_ms: int = 0
    seal: str = ""


class Sessions:
    """All sessions behind one broker, as one gateway knows them."""

    def __init__(self, broker: Broker, sealing: Sealing, known_keys: KnownKeys) -> None:
        self._broker = broker
        self._home = broker.cells.home
        self._sealing = sealing
        self._known_keys = known_keys
        self._known = Remembered(self._read, broker.settings.key_cache_s)
        askers = [of_configured_key(key) for key in broker.settings.keys]
        self._configured = {asker.tenant: asker for asker in askers}

    async def begin(self, session: Session, lives_s: int) -> str:
        """Keep *session* for so long; gives the cookie's value."""
        session_id, secret = _letters(_ID_CHARS), _letters(_SECRET_CHARS)
        seal = await self._sealing.seal("session", secret)
        session = msgspec.structs.replace(session, seal=seal, created_ms=now_ms())
        of_owner = self._of_owner(session)
        longest_s = max(lives_s, self._broker.settings.session_remembered_s)
        commands = [
            ("SET", self._home.key(keys.SESSION, session_id), msgspec.json.encode(session), "EX", lives_s),
            ("ZADD", of_owner, now_ms(), session_id),
            # The oldest are let go: nobody signs in so often.
            ("ZREMRANGEBYRANK", of_owner, 0, -101),
            ("EXPIRE", of_owner, longest_s),
        ]
        await self._broker.pipe("begin_session", self._home, commands)
        return f"{session_id}.{secret}"

    async def session(self, request: web.Request) -> tuple[str, Session] | None:
        """
        The session of *request*'s cookie, with its id; None where there is none (any more). Raises
        `Unauthorized` where there are two.
        """
        session_id, _, secret = _sent(request).partition(".")
        if len(session_id) != _ID_CHARS or len(secret) != _SECRET_CHARS or not session_id.isalnum():
            return None
        session = await self._known.get(session_id)
        if session is None or not await self._sealing.opens("session", secret, [session.seal]):
            return None
        return session_id, session

    async def asker(self, request: web.Request) -> Asker | None:
        """
        Who signed in. Raises `Unauthorized` where the key that it was done with opens nothing any more, and
        where that cannot be told.
        """
        found = await self.session(request)
        if found is None:
            return None
        asker = await self._asker(found[1])
        if asker is None:
            raise Unauthorized("The key that you signed in with is gone: sign in again.")
        return msgspec.structs.replace(asker, session=found[0], reads_counted=False)

    async def check(self, session_id: str) -> None:
        """Raises `Unauthorized` where a session has ended."""
        if await self._known.get(session_id) is None:
            raise Unauthorized("You have signed out, or your session has ended.")

    async def _asker(self, session: Session) -> Asker | None:
        if (configured := self._configured.get(session.tenant)) is not None:
            return configured
        if session.key is None and not is_reserved(session.tenant):
            return await self._known_keys.of_subject(session.tenant, session.user, session.scopes)
        return None if session.key is None else await self._known_keys.by_id(session.key)

    async def end(self, session_id: str, session: Session, *, everywhere: bool) -> None:
        """End it, or all of its user's. Other gateways know within `key_cache_s`."""
        of_owner, ids = self._of_owner(session), [session_id]
        if everywhere:
            listed = await self._broker.call("end_session", self._home, "ZRANGE", of_owner, 0, -1)
            ids += [raw.decode() for raw in listed]
        commands = [("DEL", self._home.key(keys.SESSION, one)) for one in ids]
        await self._broker.pipe("end_session", self._home, [*commands, ("ZREM", of_owner, *ids)])
        for one in ids:
            self._known.forget(one)

    async def close(self) -> None:
        """Returns once nothing is under way."""
        await self._known.close()

    async def _read(self, session_id: str) -> Session | None:
        raw = await self._broker.call(
            "load_session", self._home, "GET", self._home.key(keys.SESSION, session_id)
        )
        return None if raw is None else msgspec.json.decode(raw, type=Session)

    def _of_owner(self, session: Session) -> str:
        return self._home.key(keys.SESSIONS, owner_of(session.tenant, session.user))


def _sent(request: web.Request) -> str:
    """The cookie's value. Raises `Unauthorized` where there are two: one may be of a neighbour's making."""
    lines = request.headers.getall("Cookie", [])
    pairs = (pair.partition("=") for line in lines for pair in line.split(";"))
    values = {value.strip() for name, _, value in pairs if name.strip() == COOKIE}
    if len(values) > 1:
        raise Unauthorized(
            "Two sign-ins came with this request, one perhaps from a neighbouring site: delete the cookies "
            f"`{COOKIE}` of this site and of those above it, and sign in again."
        )
    return values.pop() if values else ""


def set_cookie(request: web.Request, response: web.StreamResponse, value: str, lives_s: int | None) -> None:
    """Have the browser keep *value*: without *lives_s* until it is closed, with 0 no longer."""
    options: dict[str, Any] = {
        "path": "/",
        "httponly": True,
        "samesite": "Strict",
        "secure": is_secure(request),
    }
    if lives_s == 0:
        response.del_cookie(COOKIE, **options)
    else:
        response.set_cookie(COOKIE, value, max_age=lives_s, **options)


def is_secure(request: web.Request) -> bool:
    """Whether the browser came by https; a proxy that ended that says so."""
    return request.secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))
