"""
Which names a gateway is served under, and which pages may call it.

A name that anyone can point at this machine would make a stranger's page one of ours to a browser (DNS
rebinding), so without API keys only names that nobody else can have are served. What a stranger's page may
still send without being able to read the answer is refused where it would change something.
"""

import re
from collections.abc import Mapping

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from shared.authority import host_of, is_address, is_loopback
from shared.errors import Forbidden
from shared.settings import Settings

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = "GET, HEAD, POST, PATCH, DELETE"
_EXPOSED = ", ".join(
    (
        *("X-Generation-Id", "X-Conversation-Id", "X-Heartbeat-Ms", "Location", "Idempotent-Replayed"),
        *("X-Request-Id", "Retry-After", "X-Should-Retry", "ETag", "RateLimit", "RateLimit-Policy"),
        *("Accept-Ranges", "Content-Range"),
    )
)
_MAX_AGE_S = 600
#: Names of headers, as a preflight lists them.
_NAMES = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+(?: *, *[a-z0-9!#$%&'*+.^_`|~-]+)*", re.IGNORECASE)
_MOST_NAMES_CHARS = 4_000
_WILDCARDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104
#: Asked by orchestrators and Prometheus, under an address or without a `Host`; no page gets there by a name.
_PROBED = frozenset({"/livez", "/readyz", "/metrics"})

_NOT_SERVED = (
    "This gateway is not served under the host name or address that you used. Without API keys it is served "
    "as localhost alone; its operator can set HEADRACE_HOSTS to further names and addresses, comma-separated."
)
_FOREIGN = (
    "A page of another origin may not do this. The gateway's operator can set HEADRACE_CORS_ORIGINS to the "
    "origins that may call it, comma-separated."
)


def comes_from_our_page(headers: CIMultiDictProxy[str]) -> bool:
    """Whether a browser says that a request is of a page of ours."""
    if headers.get("Sec-Fetch-Site", "").lower() == "same-origin":
        return True
    origins, own = headers.getall("Origin", []), headers.get("Host", "").lower()
    return len(origins) == 1 and bool(own) and origins[0].lower().partition("://")[2] == own


class Hosts:
    """The names under which this gateway is served."""

    def __init__(self, settings: Settings) -> None:
        self._all = "*" in settings.served_hosts or (settings.asks_for_keys and not settings.served_hosts)
        listens = () if settings.host in _WILDCARDS else (settings.host.lower(),)
        self._names = frozenset((*settings.served_hosts, *listens))

    def check(self, request: web.Request) -> None:
        """Raises `Forbidden` where *request* was sent to a name that is not served."""
        if self._all:
            return
        authority = request.headers.get("Host")
        probed = request.path in _PROBED
        if authority is None:
            served = probed
        else:
            # An absolute target has a name of its own, which comes before the header's.
            served = self._serves(authority, probed) and (
                request.host == authority or self._serves(request.host, probed)
            )
        if not served:
            raise Forbidden(_NOT_SERVED, field="Host")

    def _serves(self, authority: str, probed: bool) -> bool:
        host = host_of(authority)
        if host is None:
            return False
        return is_loopback(host) or host in self._names or (probed and is_address(host))


class Origins:
    """The pages that may call: our own, and those of the configured origins."""

    def __init__(self, settings: Settings) -> None:
        self._all = "*" in settings.origins
        self._origins = frozenset(settings.origins)
        self._credentials = settings.cors_credentials

    def check(self, request: web.Request) -> None:
        """
        Raises `Forbidden` where a page that may not call wants to change something, or to open a WebSocket,
        of which no browser asks whether it may.
        """
        opens = request.headers.get("Upgrade", "").lower() == "websocket"
        if (opens or request.method not in _SAFE) and not self._is_ours(request.headers):
            raise Forbidden(_FOREIGN, field="Origin")

    def _is_ours(self, headers: CIMultiDictProxy[str]) -> bool:
        origins = headers.getall("Origin", [])
        if len(origins) > 1:
            return False
        origin = origins[0] if origins else None
        if origin is not None and self._allows(origin):
            return True
        site = headers.get("Sec-Fetch-Site", "none").lower()
        if site == "same-origin":
            # The browser knows; behind a proxy, Host may be another than the page's.
            return True
        if site != "none":
            return False
        # Browsers say where a page is from whenever it changes something; programs do not.
        return origin is None or origin.lower().partition("://")[2] == headers.get("Host", "").lower()

    def _allows(self, origin: str) -> bool:
        return self._all or origin.lower() in self._origins

    def preflight(self, request: web.Request) -> web.Response | None:
        """The answer to a browser that asks whether it may; None where *request* is another."""
        origin = request.headers.get("Origin")
        asked = request.headers.get("Access-Control-Request-Method")
        if request.method != "OPTIONS" or origin is None or asked is None:
            return None
        wanted = request.headers.get("Access-Control-Request-Headers", "")
        if not self._allows(origin):
            raise Forbidden(_FOREIGN, field="Origin")
        headers = {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Max-Age": str(_MAX_AGE_S),
            "Vary": "Access-Control-Request-Method, Access-Control-Request-Headers",
        }
        if len(wanted) <= _MOST_NAMES_CHARS and _NAMES.fullmatch(wanted):
            headers["Access-Control-Allow-Headers"] = wanted
        return web.Response(headers=headers)

    def tell(self, request: Mapping[str, str], answer: CIMultiDict[str]) -> None:
        """Say in *answer*'s headers who may read it, errors included; caches keep the answers apart."""
        vary = answer.get("Vary")
        answer["Vary"] = "Origin" if vary is None else f"{vary}, Origin"
        origin = request.get("Origin")
        if origin is None or not self._allows(origin):
            return
        answer["Access-Control-Allow-Origin"] = "*" if self._all else origin
        answer["Access-Control-Expose-Headers"] = _EXPOSED
        if self._credentials:
            answer["Access-Control-Allow-Credentials"] = "true"
