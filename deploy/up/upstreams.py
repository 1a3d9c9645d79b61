"""Whether the upstreams of a models.toml answer, asked once as `headrace up` starts."""

import asyncio
import os
from collections.abc import Mapping

import aiohttp
from yarl import URL

from shared.models import Models

_TIMEOUT = aiohttp.ClientTimeout(total=5)
_REFUSED = (401, 403)


async def problems(models: Models, http: aiohttp.ClientSession) -> list[str]:
    """
    A line for each server that does not answer or refuses its key, with what to do.

    Each is asked for its list of models, which costs nothing. What it says otherwise is its own business.
    """
    asked: dict[tuple[str, str], list[str]] = {}
    for name, model in models.by_name.items():
        for server in (model.at(number) for number, _ in enumerate(model.places)):
            if server.base_url:
                names = asked.setdefault((server.base_url, server.api_key_env or ""), [])
                names += [name] if name not in names else []
    lines = await asyncio.gather(*(_problem(url, env, http) for url, env in asked))
    return [
        f"model {', '.join(names)}: {line}" for names, line in zip(asked.values(), lines, strict=True) if line
    ]


async def _problem(base_url: str, key_env: str, http: aiohttp.ClientSession) -> str:
    key = os.environ.get(key_env, "").strip() if key_env else ""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        status = await _status(f"{base_url.rstrip('/')}/models", headers, http)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        return f"{shown(base_url)} does not answer ({_reason(error)}): start it, or look at its address"
    if status in _REFUSED:
        if key_env:
            return f"{shown(base_url)} refuses the key in {key_env} (status {status})"
        what = "--api-key-env NAME (api_key_env in a models.toml) says which variable has it"
        return f"{shown(base_url)} asks for a key (status {status}): {what}"
    if status >= 500:
        return f"{shown(base_url)} is not well (status {status})"
    if status == 404 and "/v1" not in base_url:
        return f"{shown(base_url)} lists no models (status 404): its address may have to end in /v1"
    return ""


async def _status(url: str, headers: Mapping[str, str], http: aiohttp.ClientSession) -> int:
    # The key is for this address, not for where it may send us.
    async with http.get(url, headers=headers, timeout=_TIMEOUT, allow_redirects=False) as response:
        return response.status


def shown(url: str) -> str:
    """An address without a password that may be in it."""
    return str(URL(url).with_user(None))


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no word within five seconds"
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno:
        known = os.strerror(error.os_error.errno) if error.os_error.errno > 0 else "no such host"
        return known.lower()
    return type(error).__name__
