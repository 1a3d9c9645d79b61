"""
Tokens of an issuer (JWT): checked for who made them, for whom, and for when. Whatever is wrong with one, it
is 401.
"""

import base64
import hashlib
import re
import time
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError

from gateway.edge.issuer import Issuer
from shared.asker import SCOPES, USUAL_SCOPES, Scope
from shared.errors import InvalidRequest, Unauthorized
from shared.settings import Settings
from shared.tenants import checked_name

_MOST_CHARS = 8192
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_TYPES = frozenset(("jwt", "at+jwt", "application/at+jwt"))
#: What a header may hold that changes nothing; `crit` and `b64` would change what is signed.
_REFUSED_HEADERS = frozenset(("crit", "b64", "zip", "enc"))
#: A checked token need not be checked again for so long.
_FRESH_S = 30.0
_MOST = 10_000
_FARTHEST_S = 10 * 365 * 24 * 3600

_WRONG = "This token is not valid here."


class Subject(msgspec.Struct, frozen=True):
    """Whom a token is about."""

    tenant: str
    user: str
    scopes: tuple[Scope, ...]
    #: Seconds since the epoch after which the token opens nothing any more.
    until: float


class Tokens:
    """Checks tokens of the configured issuer."""

    def __init__(self, settings: Settings, issuer: Issuer) -> None:
        self._settings = settings
        self._issuer = issuer
        self._checked: dict[bytes, tuple[float, Subject]] = {}

    @staticmethod
    def looks_like(given: str) -> bool:
        """Whether *given* is meant to be a token."""
        return given.count(".") == 2 or given.startswith("eyJ")

    async def subject(self, token: str) -> Subject:
        """Whom *token* is about. Raises `Unauthorized`; `Unavailable` while the issuer was never reached."""
        digest = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
        fresh_until, subject = self._checked.get(digest, (0.0, None))
        if subject is not None and time.time() < fresh_until:
            return subject
        claims = await self.claims(token, self._settings.oidc_audience)
        subject = self._subject(claims)
        while len(self._checked) >= _MOST:
            del self._checked[next(iter(self._checked))]
        self._checked[digest] = (min(time.time() + _FRESH_S, subject.until), subject)
        return subject

    async def claims(self, token: str, audience: str, nonce: str | None = None) -> dict[str, Any]:
        """
        What *token* says, if the issuer signed it for *audience*, and with *nonce*. Raises `Unauthorized`.
        """
        header = _header(token)
        if header["alg"] not in self._settings.algorithms:
            raise Unauthorized(_WRONG)
        key = await self._issuer.key(header.get("kid"))
        if key is None:
            raise Unauthorized(_WRONG)
        try:
            decoded = jwt.decode(token, key, algorithms=[header["alg"]])
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise Unauthorized(_WRONG) from error
        claims: Any = decoded.claims
        if not isinstance(claims, dict) or not self._are_valid(claims, audience):
            raise Unauthorized(_WRONG)
        if nonce is not None and claims.get("nonce") != nonce:
            raise Unauthorized(_WRONG)
        return claims

    def subject_of(self, claims: dict[str, Any]) -> Subject:
        """Whom *claims* are about. Raises `Unauthorized`."""
        return self._subject(claims)

    def _are_valid(self, claims: dict[str, Any], audience: str) -> bool:
        settings, now = self._settings, time.time()
        leeway = settings.oidc_leeway_s
        said = claims.get("aud")
        audiences = said if isinstance(said, list) else [said]
        expires, since, made = claims.get("exp"), claims.get("nbf", 0), claims.get("iat", 0)
        return (
            claims.get("iss") == settings.oidc_issuer
            and audience in audiences
            and all(_is_time(moment) for moment in (expires, since, made))
            and now < expires + leeway  # type: ignore[operator]
            and since <= now + leeway
            and made <= now + leeway
        )

    def _subject(self, claims: dict[str, Any]) -> Subject:
        settings = self._settings
        tenant = settings.oidc_tenant
        if settings.oidc_tenant_claim:
            tenant = claims.get(settings.oidc_tenant_claim)  # type: ignore[assignment]
        user = claims.get(settings.oidc_user_claim)
        if not isinstance(tenant, str) or not isinstance(user, str) or not user:
            raise Unauthorized("This token does not say whose it is.")
        try:
            checked_name(tenant, "tenant")
            checked_name(user, "user")
        except InvalidRequest as error:
            raise Unauthorized("This token does not say whose it is.") from error
        return Subject(tenant, user, self._scopes(claims), claims["exp"] + settings.oidc_leeway_s)

    def _scopes(self, claims: dict[str, Any]) -> tuple[Scope, ...]:
        if not self._settings.oidc_scopes_claim:
            return tuple(scope for scope in SCOPES if scope in USUAL_SCOPES)
        said = claims.get(self._settings.oidc_scopes_claim, ())
        listed = said.split() if isinstance(said, str) else said
        if not isinstance(listed, list | tuple):
            return ()
        given = {one.removeprefix("headrace:") for one in listed if isinstance(one, str)}
        return tuple(scope for scope in SCOPES if scope in given)


def _is_time(moment: object) -> bool:
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        return False
    return 0 <= moment < time.time() + _FARTHEST_S


def _header(token: str) -> dict[str, Any]:
    """A token's header, if it is one that can be checked. Raises `Unauthorized`."""
    found = _SHAPE.fullmatch(token) if len(token) <= _MOST_CHARS else None
    if found is None:
        raise Unauthorized(_WRONG)
    try:
        header = msgspec.json.decode(base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)))
    except (ValueError, msgspec.MsgspecError) as error:
        raise Unauthorized(_WRONG) from error
    if (
        not isinstance(header, dict)
        or not isinstance(header.get("alg"), str)
        or not isinstance(header.get("kid", ""), str)
        or not _is_type(header.get("typ"))
        or _REFUSED_HEADERS & {*header}
    ):
        raise Unauthorized(_WRONG)
    return header


def _is_type(kind: object) -> bool:
    return kind is None or (isinstance(kind, str) and kind.lower() in _TYPES)
