"""
A reply as sound, while it is written or after. A connection that breaks is made again from the byte where it
broke, so whoever iterates gets the sound once.
"""

import asyncio
import random
from collections.abc import AsyncIterator

import aiohttp

from .errors import HeadraceError, refusal
from .server import Server

#: Connections that may fail in a row.
_MAX_FAILURES = 6
_RETRY_S = 0.5
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


async def speech_of(server: Server, generation_id: str, kind: str, voice: str) -> AsyncIterator[bytes]:
    """The bytes of a file of that *kind*, as they come. Raises `HeadraceError`, also where it was stopped."""
    path, at, failures = f"/api/chat/{generation_id}/speech?format={kind}&voice={voice}", 0, 0
    while True:
        headers = {"Accept": "audio/*"} | ({"Range": f"bytes={at}-"} if at else {})
        try:
            async with await server.request("GET", path, headers=headers) as response:
                if at and response.status == 416 and response.headers.get("Content-Range") == f"bytes */{at}":
                    return  # it broke off after its last byte
                if response.status >= 400:
                    error = await refusal(response)
                    raise error if response.status not in _PASSING else ConnectionError(str(error))
                path = response.headers.get("Location", path)
                async for data in response.content.iter_any():
                    at, failures = at + len(data), 0
                    yield data
                return
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            failures += 1
            if failures > _MAX_FAILURES:
                raise HeadraceError(f"the speech broke off: {error or type(error).__name__}") from error
        await asyncio.sleep(_RETRY_S * 2.0 ** min(failures, 4) * random.uniform(1.0, 1.3))
