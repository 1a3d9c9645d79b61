"""
The issuer of tokens, as it describes itself: its public keys and where people sign in. Nothing of a token or
a request decides what is asked for here; redirects are not followed, and answers are bounded.
"""

import time
from typing import Any

import msgspec
import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from shared.errors import Unavailable
from shared.settings import Settings

logger = structlog.get_logger("gateway.edge.issuer")

#: Keys are asked for again after this long, and no longer gone by after the second.
_KEYS_FRESH_S, _KEYS_LIVE_S = 600.0, 24 * 3600.0
#: A key that nobody knows makes us ask again, but not more often: strangers make up names of keys.
_COOL_DOWN_S = 30.0
_TIMEOUT_S = 5.0
_MOST_BYTES = 256 * 1024
_MOST_KEYS = 50
_KINDS = frozenset(("RSA", "EC", "OKP"))
_LEAST_RSA_BITS = 2048


class Description(msgspec.Struct, frozen=True):
    """What is needed of `/.well-known/openid-configuration`."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    end_session_endpoint: str = ""


class Issuer:
    """One issuer; `close` ends its connections."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: ClientSession | None = None
        self._described: Description | None = None
        self._keys: dict[str, Any] = {}
        self._read_at = self._tried_at = float("-inf")

    async def key(self, kid: str | None) -> Any:
        """
        The public key of that name, or the only one there is; None where there is none. Raises `Unavailable`
        while the issuer has never been reached.
        """
        now = time.monotonic()
        stale = now - self._read_at > _KEYS_FRESH_S
        unknown = self._named(kid) is None
        if (stale or unknown) and now - self._tried_at > _COOL_DOWN_S:
            self._tried_at = now
            await self._read_keys()
        if time.monotonic() - self._read_at > _KEYS_LIVE_S:
            raise Unavailable("The issuer of tokens cannot be reached to check yours.", retry_after_s=5)
        return self._named(kid)

    async def described(self) -> Description:
        """How it describes itself. Raises `Unavailable`."""
        if self._described is None:
            url = f"{self._settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                described = msgspec.json.decode(await self._get(url), type=Description)
            except msgspec.MsgspecError as error:
                raise _unavailable(url, error) from error
            if described.issuer != self._settings.oidc_issuer:
                raise _unavailable(url, ValueError("it says that it is another issuer"))
            self._described = described
        return self._described

    async def exchange(self, form: dict[str, str]) -> bytes:
        """The token endpoint's answer to *form*. Raises `Unavailable`."""
        return await self._get((await self.described()).token_endpoint, form)

    def cool_down(self) -> None:
        """Let the next unknown key make us ask at once."""
        self._tried_at = float("-inf")

    async def close(self) -> None:
        """End its connections."""
        if self._session is not None:
            await self._session.close()

    def _named(self, kid: str | None) -> Any:
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)

    async def _read_keys(self) -> None:
        try:
            url = self._settings.oidc_jwks_url or (await self.described()).jwks_uri
            self._keys = _public_keys(await self._get(url))
            self._read_at = time.monotonic()
        except Unavailable:
            if not self._keys:
                # Nobody is let in meanwhile; whoever comes next may ask again a little sooner.
                self._tried_at -= _COOL_DOWN_S - 1
        except (ValueError, TypeError, JoseError, msgspec.MsgspecError) as error:
            logger.error("the issuer's keys cannot be read", error=str(error)[:200])

    async def _get(self, url: str, form: dict[str, str] | None = None) -> bytes:
        if self._session is None:
            self._session = ClientSession(timeout=ClientTimeout(total=_TIMEOUT_S))
        try:
            async with self._session.request(
                "GET" if form is None else "POST", url, data=form, allow_redirects=False
            ) as answer:
                body = await answer.content.read(_MOST_BYTES + 1)
                while len(body) <= _MOST_BYTES and (more := await answer.content.read(_MOST_BYTES)):
                    body += more
                if answer.status != 200 or len(body) > _MOST_BYTES:
                    raise _unavailable(url, ValueError(f"status {answer.status}"))
                return body
        except (ClientError, TimeoutError, OSError, ValueError) as error:
            raise _unavailable(url, error) from error


def _unavailable(url: str, error: Exception) -> Unavailable:
    logger.error(
        "the issuer of tokens does not answer", url=url, error=str(error)[:200] or type(error).__name__
    )
    return Unavailable("The issuer of tokens does not answer.", retry_after_s=5)


def _public_keys(body: bytes) -> dict[str, Any]:
    """The keys that may sign, by name. Those of another kind are left out, secret ones above all."""
    listed = msgspec.json.decode(body, type=dict[str, Any]).get("keys")
    if not isinstance(listed, list):
        raise TypeError("it has no list of keys")
    found: dict[str, Any] = {}
    for i, one in enumerate(listed[:_MOST_KEYS]):
        if not isinstance(one, dict) or one.get("kty") not in _KINDS or one.get("use", "sig") != "sig":
            continue
        public = {
            name: value for name, value in one.items() if name not in {"d", "p", "q", "dp", "dq", "qi", "oth"}
        }
        try:
            [key] = KeySet.import_key_set({"keys": [public]}).keys
        except (ValueError, TypeError, KeyError, JoseError):
            continue
        if one["kty"] == "RSA" and key.raw_value.key_size < _LEAST_RSA_BITS:  # type: ignore[union-attr]
            continue
        found[str(one.get("kid", f"unnamed {i}"))] = key
    return found
