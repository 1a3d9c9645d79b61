"""An issuer of tokens (OpenID Connect): its keys, its description, its sign-in, and tokens of every kind."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

AUDIENCE = "headrace"
CLIENT = "the-page"


class FakeIssuer:
    """Listens once `start` is called; `url` is its name."""

    def __init__(self) -> None:
        self.rsa = RSAKey.generate_key(2048, {"kid": "rsa"})
        self.ec = ECKey.generate_key("P-256", {"kid": "ec"})
        self.published: list[dict[str, Any]] = [
            self.rsa.as_dict(private=False),
            self.ec.as_dict(private=False),
        ]  #: How often its keys were asked for.
        self.asked = 0
        #: What the next code is exchanged for.
        self.id_token = ""
        #: What was sent to be exchanged.
        self.exchanged: dict[str, str] = {}
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._describe)
        app.router.add_get("/jwks", self._keys)
        app.router.add_post("/token", self._token)
        self._server = TestServer(app)

    @property
    def url(self) -> str:
        """What its tokens have as `iss`."""
        return str(self._server.make_url("")).rstrip("/")

    @property
    def settings(self) -> dict[str, Any]:
        """Those of a gateway that takes its tokens."""
        return {"auth": "oidc", "oidc_issuer": self.url, "oidc_audience": AUDIENCE, "oidc_client_id": CLIENT}

    async def start(self) -> None:
        """Returns once it listens."""
        await self._server.start_server()

    async def close(self) -> None:
        """Ends it."""
        await self._server.close()

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Those of a good token, with some changed; None leaves one out."""
        now = int(time.time())
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "exp": now + 300, "iat": now, "nbf": now}
        return {name: value for name, value in (good | changed).items() if value is not None}

    def token(self, key: Any = None, header: dict[str, Any] | None = None, **changed: Any) -> str:
        """One signed by *key*, its own unless said."""
        key = key or self.rsa
        alg = {"RSA": "RS256", "EC": "ES256", "oct": "HS256"}[key.key_type]
        head = {"alg": alg, "kid": key.kid, **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        return jwt.encode(head, self.claims(**changed), key, algorithms=[head["alg"]])

    async def _describe(self, request: web.Request) -> web.Response:
        paths = {"jwks_uri": "/jwks", "authorization_endpoint": "/authorize", "token_endpoint": "/token"}
        return web.json_response(
            {"issuer": self.url, **{name: self.url + path for name, path in paths.items()}}
        )

    async def _keys(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response({"keys": self.published})

    async def _token(self, request: web.Request) -> web.Response:
        self.exchanged = dict(parse_qsl(await request.text()))
        return web.json_response({"id_token": self.id_token, "access_token": "opaque"})


def unsigned(header: Any, claims: Any, signature: bytes = b"") -> str:
    """A token of any parts."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    return ".".join(b64(part) for part in (*parts, signature))


def by_hmac(secret: bytes, header: dict[str, Any], claims: Any) -> str:
    """A token signed by HMAC, with any secret."""
    parts = unsigned({"alg": "HS256", **header}, claims).rpartition(".")[0]
    return f"{parts}.{b64(hmac.digest(secret, parts.encode(), 'sha256'))}"


def b64(data: bytes) -> str:
    """As tokens write bytes."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def challenge(verifier: str) -> str:
    """PKCE's S256 of *verifier*."""
    return b64(hashlib.sha256(verifier.encode()).digest())


def shared_secret(data: bytes, kid: str = "rsa") -> OctKey:
    """A key for HMAC."""
    return OctKey.import_key(data, {"kid": kid})
