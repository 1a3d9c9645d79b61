"""Who asks: the one place where what a request carries becomes an `Asker`. No route ever sees a key."""

import hashlib
import hmac
import time

import msgspec
from aiohttp import web

from gateway.edge.client_address import ClientAddresses
from gateway.edge.known_keys import KnownKeys
from gateway.edge.origins import comes_from_our_page
from gateway.edge.sessions import Sessions
from gateway.edge.stream_tokens import PARAMETER, StreamTokens
from gateway.edge.tokens import Tokens
from shared import metrics
from shared.asker import ANONYMOUS, Asker, of_configured_key
from shared.errors import Forbidden, Unauthorized
from shared.limits import Level, Limits
from shared.settings import Settings

#: What an address without a key may ask for in a minute, beyond loopback.
_ANONYMOUS_A_MINUTE = 10


class Askers:
    """Makes askers from what requests carry."""

    def __init__(
        self,
        settings: Settings,
        known_keys: KnownKeys,
        sessions: Sessions,
        stream_tokens: StreamTokens,
        tokens: Tokens,
        addresses: ClientAddresses,
    ) -> None:
        self._sessions, self._stream_tokens, self._tokens = sessions, stream_tokens, tokens
        #: What is asked for.
        self.asks = settings.asks_for
        #: Whether people can be sent to an issuer to sign in.
        self.can_send_to_issuer = self.asks in {"oidc", "both"} and bool(settings.oidc_client_id)
        self._configured = [(key.encode(), of_configured_key(key)) for key in settings.keys]
        self._known_keys, self._addresses = known_keys, addresses
        most = settings.anonymous_requests_per_minute
        if most is None:
            most = 0 if settings.on_loopback else _ANONYMOUS_A_MINUTE
        self._anonymous_limits = Limits(requests_per_minute=most) if most else None

    async def of(self, request: web.Request) -> Asker:
        """Who sends *request*. Raises `Unauthorized`, with what is wrong."""
        try:
            return await self._of(request)
        except Unauthorized:
            metrics.refused_askers.inc()
            raise

    async def _of(self, request: web.Request) -> Asker:
        given = _given(request)
        if not given:
            if (token := request.query.get(PARAMETER)) and follows_stream(request):
                asker = await self._stream_tokens.asker(token)
                await self.check(asker)
                return asker
            if (signed_in := await self._sessions.asker(request)) is not None:
                _check_page(request)
                return signed_in
        if self.asks != "oidc" and given and (managed := await self._known_keys.asker(request, given)):
            return managed
        if self.asks == "none":
            return self._anonymous(request)
        if self.asks in {"oidc", "both"} and self._tokens.looks_like(given):
            subject = await self._tokens.subject(given)
            asker = await self._known_keys.of_subject(subject.tenant, subject.user, subject.scopes)
            return msgspec.structs.replace(asker, reads_counted=True, until=subject.until)
        return self._configured_key(given)

    async def of_key(self, given: str) -> Asker:
        """Whose managed key *given* is. Raises `Unauthorized`; `Forbidden` for one that acts for users."""
        managed = await self._known_keys.asker(None, given) if self.asks != "oidc" else None
        if managed is None:
            managed = self._configured_key(given)
        return managed

    async def check(self, asker: Asker) -> None:
        """Raises `Unauthorized` where what let *asker* in, key, token or session, opens nothing any more."""
        if asker.until is not None and time.time() >= asker.until:
            raise Unauthorized("This token has expired.")
        if asker.session is not None:
            await self._sessions.check(asker.session)
        if asker.key is not None:
            await self._known_keys.check(asker.key, asker.secret)

    def _configured_key(self, given: str) -> Asker:
        found = None
        for key, asker in self._configured:
            if hmac.compare_digest(key, given.encode(errors="surrogateescape")):
                found = asker
        if found is None:
            raise Unauthorized()
        return found

    def _anonymous(self, request: web.Request) -> Asker:
        if self._anonymous_limits is None:
            return ANONYMOUS
        level = Level(f"address:{_name(self._addresses.of(request))}", self._anonymous_limits)
        return Asker(tenant=ANONYMOUS.tenant, owner=ANONYMOUS.owner, levels=(level,))


def follows_stream(request: web.Request) -> bool:
    """Whether *request* reads the stream of one generation, which a stream's token is for."""
    resource = request.match_info.route.resource
    return (
        request.method in {"GET", "HEAD"}
        and resource is not None
        and resource.canonical.endswith("/{generation_id}/stream")
    )


def _check_page(request: web.Request) -> None:
    """
    What a browser sends along by itself must not let another's page do anything. Raises `Forbidden` where a
    request that changes something does not say that it comes from our page.
    """
    changes = request.method not in {"GET", "HEAD", "OPTIONS"} or "Upgrade" in request.headers
    if changes and not comes_from_our_page(request.headers):
        raise Forbidden("Signed in by a cookie, only our own page may do this.", field="Origin")


def _given(request: web.Request) -> str:
    """The key or token of `Authorization: Bearer …`, else of `x-api-key`; '' where there is none."""
    headers = request.headers.getall("Authorization", [])
    if len(headers) > 1:
        raise Unauthorized("There is more than one `Authorization`.")
    if headers:
        scheme, _, given = headers[0].partition(" ")
        return given.strip() if scheme.lower() == "bearer" else ""
    return request.headers.get("x-api-key", "").strip()


def _name(address: str) -> str:
    """An address under which something is kept in the broker, without saying it."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]
