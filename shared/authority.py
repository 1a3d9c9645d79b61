"""Names of hosts as `Host` headers, origins and settings have them, and which of them are loopback's."""

import ipaddress
import re

_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_-](?:[a-z0-9_.-]*[a-z0-9_-])?)\.?)(?::[0-9]{0,5})?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#@\s]+)")


def host_of(authority: str) -> str | None:
    """The host that `host[:port]` names, in lower case and without brackets; None where it is none."""
    match = _AUTHORITY.fullmatch(authority.lower()) if authority.isascii() else None
    if match is None:
        return None
    if match[2] is not None:
        return match[2]
    address = _address(match[1])
    return None if address is None else str(address)


def is_address(host: str) -> bool:
    """Whether *host* is no name, but an address."""
    return _address(host) is not None


def is_loopback(host: str) -> bool:
    """Whether *host* is `localhost`, a name below it, or an address of this machine's loopback."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def origin_of(text: str) -> str | None:
    """The origin that *text* is, as browsers write it: `scheme://host[:port]`; None where it is none."""
    origin = text.lower().removesuffix("/")
    match = _ORIGIN.fullmatch(origin)
    return origin if match is not None and host_of(match[1]) is not None else None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
