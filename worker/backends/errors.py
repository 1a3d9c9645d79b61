"""
What an upstream's refusal means: its HTTP status, headers and body in, one of our errors out.

Its own words are shortened, on one line, and without anything that looks like a key.
"""

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from shared.errors import UpstreamError, UpstreamFailed, UpstreamRateLimited, UpstreamRejected
from worker.backends.redaction import for_log

_MAX_MESSAGE_CHARS = 300
#: A request that came too late or too early may simply be sent again.
_TRANSIENT = {408, 425}


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The error for an answer whose status is not 200."""
    message = _body_message(body)
    retry_after_s = _retry_after_s(headers)
    if status == 429:
        return UpstreamRateLimited(message, retry_after_s=retry_after_s)
    if status >= 500 or status in _TRANSIENT:
        return UpstreamFailed(message, retry_after_s=retry_after_s)
    if status in (401, 403):
        # What it says about our key is the operator's business, not the client's.
        return UpstreamRejected("The model server did not accept our API key.")
    if 300 <= status < 400:
        return UpstreamRejected("The model server redirects elsewhere: correct its base_url.")
    return UpstreamRejected(message)


def stated_message(error: Any) -> str | None:
    """The message inside an `error` field, whichever of its shapes a server uses."""
    if isinstance(error, Mapping):
        error = error.get("message") or error.get("detail") or error.get("error")
    if not isinstance(error, str):
        return None
    printable = "".join(char if char.isprintable() else " " for char in error[: 4 * _MAX_MESSAGE_CHARS])
    message = for_log(" ".join(printable.split()))
    if len(message) > _MAX_MESSAGE_CHARS:
        message = message[: _MAX_MESSAGE_CHARS - 1] + "…"
    return message or None


def _body_message(body: bytes) -> str | None:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(said, Mapping) and said.get("error"):
        return stated_message(said["error"])
    return stated_message(said)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """
    How long to wait: `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3), or `retry-after-ms`.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("Retry-After")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        # Its own clock has said both, if it says what time it is; ours may be another.
        now = headers.get("Date")
        since = parsedate_to_datetime(now).timestamp() if now else time.time()
        return max(0.0, parsedate_to_datetime(value).timestamp() - since)
    except (ValueError, OverflowError):
        return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None
