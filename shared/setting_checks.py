"""What values of settings must be like. A check gives back what it was given, or raises `ValueError`."""

import base64
import ipaddress

from pydantic import SecretStr, ValidationInfo

from shared.authority import host_of, origin_of

#: What signs with a key that only its owner has, and is checked with one that everybody may have.
_ALGORITHMS = frozenset(f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)) | {
    "EdDSA"
}
_LEAST_SECRET_BYTES = 16

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def listed(text: str) -> tuple[str, ...]:
    """The items of a comma-separated list; spaces and empty items mean nothing."""
    return tuple(item for item in (part.strip() for part in text.split(",")) if item)


def are_hosts(hosts: str) -> str:
    """Names and addresses of machines, or `*`."""
    for host in listed(hosts):
        if host != "*" and host_of(host) is None:
            raise ValueError(f"{host!r} is no name and no address of a machine")
    return hosts


def are_proxies(networks: str) -> str:
    """Networks whose word is believed; not all there are, or everybody could say who they are."""
    for network in listed(networks):
        try:
            found = ipaddress.ip_network(network)
        except ValueError:
            raise ValueError(f"{network!r} is no address and no network such as 10.0.0.0/8") from None
        if not found.prefixlen:
            raise ValueError(f"{network!r} is everybody, who could then be anybody: name the proxies")
    return networks


def are_origins(origins: str) -> str:
    """Origins as browsers write them, or `*`."""
    for origin in listed(origins):
        if origin != "*" and origin_of(origin) is None:
            raise ValueError(f"{origin!r} is no origin: it should look like https://app.example.org")
    return origins


def have_origins(credentials: bool, others: ValidationInfo) -> bool:
    """Credentials go to origins that are named."""
    if credentials and "*" in listed(others.data.get("cors_origins", "")):
        raise ValueError("HEADRACE_CORS_ORIGINS must name the origins: `*` cannot have credentials")
    return credentials


def are_asked_for(keys: SecretStr, others: ValidationInfo) -> SecretStr:
    """Keys are of use where somebody is asked for one."""
    if others.data.get("auth") == "none" and listed(keys.get_secret_value()):
        raise ValueError("has keys that nobody is asked for, since HEADRACE_AUTH is `none`")
    return keys


def are_for_public_keys(algorithms: str) -> str:
    """Algorithms of which whoever can check a signature cannot make one."""
    for algorithm in listed(algorithms):
        if algorithm not in _ALGORITHMS:
            raise ValueError(f"{algorithm!r} is not one of {', '.join(sorted(_ALGORITHMS))}")
    return algorithms


def is_http(url: str) -> str:
    """An address to POST to, or none."""
    if url and not url.startswith(("http://", "https://")):
        raise ValueError("a webhook's address begins with https://")
    return url


def signs(secret: SecretStr, others: ValidationInfo) -> SecretStr:
    """A webhook's secret, where there is a webhook."""
    key = secret.get_secret_value().removeprefix("whsec_")
    try:
        decoded = base64.b64decode(key, validate=True)
    except ValueError:
        raise ValueError("a webhook's secret is `whsec_` and base64") from None
    if others.data.get("webhook_url") and len(decoded) < _LEAST_SECRET_BYTES:
        raise ValueError("HEADRACE_WEBHOOK_URL needs a HEADRACE_WEBHOOK_SECRET of 16 bytes or more")
    return secret
