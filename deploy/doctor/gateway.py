"""A gateway as its clients reach it, through whatever proxies there are: ready, in time, unbuffered."""

import datetime
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any
from uuid import uuid4

import aiohttp

from deploy.doctor.findings import Finding, good, mind, wrong

_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5)
_CLOCK_S = 2.0
#: A reply has to take so long for its arrival to tell anything.
_LEAST_S = 0.5
#: Of the time in which a reply was made, the share in which it came, if nothing gathers it up.
_LEAST_SHARE = 0.5
_STREAMING = "gateway: streaming"
_ASKED = "Count from one to twenty, one number a line."
_UNBUFFERED = (
    "let the proxy pass each piece on at once: nginx `proxy_buffering off`, HAProxy `option http-no-delay`, "
    "no compression of text/event-stream"
)


async def look(url: str, api_key: str | None) -> list[Finding]:
    """All that can be said of the gateway at *url*; asks its default model something short."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    async with aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as http:
        try:
            found = [await _ready(http, url)]
            if found[0].level == "good":
                found += [await _clock(http, url), await _version(http, url)]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return [
                wrong(
                    f"gateway {url}",
                    f"does not answer ({type(error).__name__})",
                    "start it, or give its address with --url",
                )
            ]
        if found[0].level == "good":
            found += await _tried(http, url)
        return found


async def _tried(http: aiohttp.ClientSession, url: str) -> list[Finding]:
    """What a reply says of the stream. It is stopped and forgotten: nobody wants it in their history."""
    conversation_id = f"doctor-{uuid4().hex}"
    try:
        return await _stream(http, url, conversation_id)
    except TimeoutError:
        return [
            wrong(
                _STREAMING,
                f"a short reply had not ended after {_TIMEOUT.total:.0f} s",
                "`headrace top` shows whether it waits for a worker or for a model server",
            )
        ]
    except (aiohttp.ClientError, OSError) as error:
        return [wrong(_STREAMING, f"broke off ({type(error).__name__})", "the log of gateway and proxy")]
    finally:
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with http.delete(f"{url}/api/conversations/{conversation_id}"):
                pass


async def _ready(http: aiohttp.ClientSession, url: str) -> Finding:
    async with http.get(f"{url}/readyz") as response:
        if response.status == 200:
            return good(f"gateway {url}", "ready")
        said = (await response.text())[:300]
        return wrong(f"gateway {url}", f"not ready ({response.status}): {said}", "what it says, or its log")


async def _clock(http: aiohttp.ClientSession, url: str) -> Finding:
    began = time.time()
    async with http.get(f"{url}/api/heartbeat") as response:
        beat = await response.json()
    away_s = _moment(beat["timestamp"]) - (began + time.time()) / 2
    if abs(away_s) > _CLOCK_S:
        return mind(
            "gateway: clock", f"{away_s:+.1f} s beside this machine's", "let both follow an NTP server"
        )
    return good("gateway: clock", f"{away_s:+.3f} s beside this machine's")


async def _version(http: aiohttp.ClientSession, url: str) -> Finding:
    from importlib.metadata import version

    ours = version("headrace")
    async with http.get(f"{url}/openapi.json") as response:
        theirs = str((await response.json())["info"]["version"])
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        return mind(
            "gateway: version",
            f"{theirs}, and this is {ours}",
            "upgrade the older; only versions one apart may be mixed",
        )
    return good("gateway: version", theirs)


async def _stream(http: aiohttp.ClientSession, url: str, conversation_id: str) -> list[Finding]:
    what = _STREAMING
    asked = {"message": _ASKED, "max_tokens": 100, "conversation_id": conversation_id}
    async with http.post(f"{url}/api/chat/stream", json=asked) as response:
        if response.status == 401:
            return [mind(what, "not tried: it wants a key", "put one into HEADRACE_API_KEY")]
        if response.status != 200:
            return [
                wrong(
                    what,
                    f"{response.status}: {(await response.text())[:300]}",
                    "the code's row in deploy/RUNBOOK.md",
                )
            ]
        if response.headers.get("Content-Encoding", "identity") != "identity":
            return [wrong(what, "a proxy compresses the stream, and gathers it up for that", _UNBUFFERED)]
        came: list[tuple[float, float, str]] = []
        async with aclosing(_frames(response)) as frames:
            async for frame in frames:
                came.append((_moment(frame["timestamp"]), time.time(), frame["type"]))
                if frame["type"] == "error":
                    return [
                        wrong(
                            what,
                            f"{frame['metadata'].get('code')}: {frame['content']}",
                            "`headrace models check`, and the code's row in deploy/RUNBOOK.md",
                        )
                    ]
    if not came or came[-1][2] != "end":
        return [
            wrong(
                what,
                "the stream was cut before its end",
                "a proxy's time-out: it must be longer than the longest reply",
            )
        ]
    made_s, came_s = came[-1][0] - came[0][0], came[-1][1] - came[0][1]
    if made_s < _LEAST_S:
        return [good(what, f"whole, in {len(came)} frames; too quick to say whether anything gathers it up")]
    if came_s < _LEAST_SHARE * made_s:
        return [
            wrong(
                what,
                f"made in {made_s:.1f} s, and all of it came in {came_s:.1f} s: something gathers it up",
                _UNBUFFERED,
            )
        ]
    return [good(what, f"{len(came)} frames in {came_s:.1f} s, as they were made")]


async def _frames(response: aiohttp.ClientResponse) -> AsyncGenerator[dict[str, Any], None]:
    async for line in response.content:
        if line.startswith(b"data: "):
            frame: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
            if frame["type"] != "queued":
                yield frame


def _moment(timestamp: str) -> float:
    return datetime.datetime.fromisoformat(timestamp).timestamp()
