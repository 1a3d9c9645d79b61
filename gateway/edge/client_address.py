"""
Whose address a request counts for: whoever connects, or whom a trusted proxy names in `X-Forwarded-For`.

Every proxy appends the address that it was asked from, so the list is read from its right end, where only
proxies of ours have written, to the first address that is none of theirs. What stands left of that was
written by whoever came from there, and is never looked at.
"""

import ipaddress
import re
from collections.abc import Iterator

from aiohttp import web

from shared.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: `1.2.3.4`, `1.2.3.4:5678`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:5678`.
_ITEM = re.compile(r"\[(?P<bracketed>[^\[\]]+)\](?::\d+)?|(?P<v4>[0-9.]+):\d+|(?P<plain>[0-9a-fA-F:.]+)")
_IPV6_NETWORK_BITS = 64


class ClientAddresses:
    """Tells clients apart, also those behind proxies."""

    def __init__(self, settings: Settings) -> None:
        self._networks = settings.proxy_networks

    def trusts(self, peer: str | None) -> bool:
        """Whether what connects from *peer* is a proxy of ours."""
        return bool(self._networks) and self._is_proxy(_address(peer))

    def of(self, request: web.Request) -> str:
        """The client of *request*, as `counted` has it."""
        address = _address(request.remote)
        if self._networks and self._is_proxy(address):
            for item in _from_the_right(request):
                if (told := _told(item)) is None:
                    break  # nobody can say who that was: it counts for the proxy that passed it on
                address = told
                if not self._is_proxy(told):
                    break
        return _counted(address)

    def _is_proxy(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def was_forwarded(request: web.Request) -> bool:
    """Whether *request* says that it came through a proxy, trusted or not."""
    return any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "Via"))


def counted(peer: str | None) -> str:
    """A client as limits tell it apart from others: of IPv6, the network that one customer has."""
    return _counted(_address(peer))


def _counted(address: Address | None) -> str:
    if address is None:
        return "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network((address, _IPV6_NETWORK_BITS), strict=False).network_address)
    return str(address)


def _from_the_right(request: web.Request) -> Iterator[str]:
    for line in reversed(request.headers.getall("X-Forwarded-For", [])):
        yield from (item.strip() for item in reversed(line.split(",")))


def _told(item: str) -> Address | None:
    match = _ITEM.fullmatch(item)
    return None if match is None else _address(match["bracketed"] or match["v4"] or match["plain"])


def _address(text: str | None) -> Address | None:
    try:
        address = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
