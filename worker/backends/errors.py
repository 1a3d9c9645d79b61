"""
What an upstream's failure means: a refusal, or what it states in place of an answer, as one of our errors.

Its own words are shortened, on one line, and without anything that looks like a key.
"""

import html
import math
import re
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from shared.failures import (
    ContextLengthExceeded,
    InsufficientQuota,
    UpstreamError,
    UpstreamFailed,
    UpstreamInvalid,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnauthorized,
)
from worker.backends.redaction import for_log
from worker.backends.tolerant import NotJson, load

_MAX_MESSAGE_CHARS = 300
#: A request that came too late or too early may simply be sent again.
_TRANSIENT = frozenset({408, 409, 425})

#: Where servers put the words, in order of preference and in any case; what is an object or a list is looked
#: into.
_MESSAGE_FIELDS = (
    *("message", "msg", "error", "errors", "detail", "error_message", "errormessage", "error_msg", "errmsg"),
    *("error_description", "faultstring", "status_msg", "title", "fault", "base_resp", "header", "response"),
)
_REASON_FIELDS = ("code", "type", "status", "error_code", "status_code", "errorcode", "__type")
#: What errors are inside of.
_LEVELS = ("error", "errors", "detail", "response", "fault", "base_resp", "header")
_MAX_DEPTH = 6

_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|window|size)[ _-]?exceed|exceed_context_size|maximum context length|"
    r"(?:exceeds?|longer than|larger than|over) the (?:available |model'?s? )?(?:maximum )?context|"
    r"prompt is too long|input is too long|too large for model with \d+ maximum context|"
    r"input token count.{0,40}exceeds the maximum|reduce the length of the (?:messages|prompt)|"
    r"`inputs` must have less than|`inputs` tokens \+ `max_new_tokens` must be|"
    r"maximum (?:prompt|input) length|"
    r"longer than the model's context|exceeds? (?:the )?context (?:length|window|size|limit)",
    re.IGNORECASE | re.DOTALL,
)
_NO_QUOTA = re.compile(
    r"insufficient[_ ](?:quota|balance|credit|funds)|billing_hard_limit|exceeded your current quota|"
    r"credit balance is too low|out of credits",
    re.IGNORECASE,
)
#: Google's `RetryInfo`, which stands for a `Retry-After`.
_RETRY_DELAY = re.compile(rb'"retryDelay"\s*:\s*"(\d{1,6}(?:\.\d{1,9})?)s"')
_MODERATED = re.compile(r"moderation|flagged|content[ _]?(?:policy|filter)", re.IGNORECASE)
#: What is meant where an error comes with status 200, or in mid-stream.
_STATUS_OF_REASON = {
    401: r"unauthenticated|authentication|invalid_api_key|permission|unauthorized|forbidden",
    429: r"rate_?limit|resource_exhausted|too_?many_?requests|throttl",
    400: r"invalid_?(?:request|argument|prompt|parameter)|bad_?request|unprocessable|not_?found|"
    r"failed_precondition|content_?(?:policy|filter)|validation",
}


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The error for an answer whose status is not 200."""
    wait_s = retry_after_s(headers)
    if wait_s is None and (delay := _RETRY_DELAY.search(body)):
        wait_s = float(delay[1])
    return _error(status, wait_s, *_said(body))


def stated(said: Any) -> UpstreamError:
    """The error for what an upstream *said* in place of an answer, or in its middle: JSON or plain words."""
    message, reasons = _facts(said) if isinstance(said, Mapping | list) else (_line(said), [])
    return _error(_status(reasons), None, message, reasons)


def words(said: Any) -> str | None:
    """The words in something that was *said*: JSON as it was read, plain text, or a page of HTML."""
    return _facts(said)[0] if isinstance(said, Mapping | list) else _line(said)


def not_an_answer(body: bytes) -> str:
    """What to say of something else, with its words where it has any."""
    quoted = words(body.decode(errors="replace"))
    says = UpstreamInvalid().message
    return f"{says[:-1]}: {quoted}" if quoted else says


def _error(
    status: int, retry_after_s: float | None, message: str | None, reasons: list[str]
) -> UpstreamError:
    error = _kind(status, message or "", reasons)(message, retry_after_s=retry_after_s)
    if isinstance(error, UpstreamUnauthorized | InsufficientQuota):
        # What it says about our key and our account is the operator's business, not the client's.
        error.said = message
        error.message = type(error)().message
    elif 300 <= status < 400:
        error.message = "The model server redirects elsewhere: correct its base_url."
    error.upstream_reason = next((_line(reason) for reason in reasons if not reason.isdigit()), None)
    return error


def _kind(status: int, message: str, reasons: list[str]) -> type[UpstreamError]:
    everything = " ".join((*reasons, message))
    if _TOO_LONG.search(everything):
        return ContextLengthExceeded
    if status == 402 or (status in (403, 429) and _NO_QUOTA.search(everything)):
        return InsufficientQuota
    if status == 429:
        return UpstreamRateLimited
    if status == 401 or (status == 403 and not _MODERATED.search(everything)):
        return UpstreamUnauthorized
    if status in _TRANSIENT or (status >= 500 and status != 501):
        return UpstreamFailed
    return UpstreamRejected


def _status(reasons: list[str]) -> int:
    """The HTTP status that an error without one stands for."""
    for reason in reasons:
        if reason.isdigit() and len(reason) == 3 and 400 <= int(reason) < 600:
            return int(reason)
    for reason in reasons:
        for status, pattern in _STATUS_OF_REASON.items():
            if re.search(pattern, reason, re.IGNORECASE):
                return status
        if _NO_QUOTA.search(reason):
            return 429
    return 500


def _said(body: bytes) -> tuple[str | None, list[str]]:
    try:
        said = load(body)
    except NotJson:
        return _line(body.decode(errors="replace")), []
    if not isinstance(said, Mapping | list):
        return _line(said), []
    message, reasons = _facts(said)
    return message or _line(_any_words(said)), reasons


def _facts(said: Any) -> tuple[str | None, list[str]]:
    """An error's words, and the codes that it carries, outermost last."""
    reasons: list[str] = []
    for level in _levels(said):
        for name in reversed(_REASON_FIELDS):
            value = _field(level, name)
            if isinstance(value, int) and not isinstance(value, bool):
                value = str(value)
            if isinstance(value, str) and value and value not in {"error", "None"}:
                reasons.insert(0, value[:100])
    return _line(_message(said)), reasons


def _levels(said: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """*said* and the errors inside it, from without to within."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(said, list):
        for item in said[:5]:
            yield from _levels(item, depth + 1)
    elif isinstance(said, Mapping):
        yield said
        for name in _LEVELS:
            yield from _levels(_field(said, name), depth + 1)


def _field(said: Mapping[str, Any], name: str) -> Any:
    """The value of *name*, however it is capitalised."""
    if name in said:
        return said[name]
    return next((value for key, value in said.items() if key.lower() == name), None)


def _message(said: Any, depth: int = 0) -> str | None:
    if isinstance(said, str):
        return said
    if depth > _MAX_DEPTH:
        return None
    if isinstance(said, list):
        found = [message for item in said[:5] if (message := _message(item, depth + 1))]
        return "; ".join(found) or None
    if not isinstance(said, Mapping):
        return None
    for name in _MESSAGE_FIELDS:
        if found_in := _message(_field(said, name), depth + 1):
            return found_in + _raw(said)
    return None


def _any_words(said: Any, depth: int = 0) -> str | None:
    """Anything that reads like a sentence, in a refusal of a shape that nobody has met."""
    if isinstance(said, str):
        return said if " " in said.strip() else None
    if depth > _MAX_DEPTH or not isinstance(said, Mapping | list):
        return None
    inner = said.values() if isinstance(said, Mapping) else said[:5]
    return next((found for each in inner if (found := _any_words(each, depth + 1))), None)


def _raw(said: Mapping[str, Any]) -> str:
    """What stands behind OpenRouter's "Provider returned error"."""
    metadata = said.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    return f": {raw}" if isinstance(raw, str) and raw else ""


def _line(said: Any) -> str | None:
    """Words for people, on one line; of a page its title, and nothing where it has none."""
    if not isinstance(said, str):
        return None
    said = said[: 64 * _MAX_MESSAGE_CHARS].lstrip("\ufeff \t\r\n")
    if re.match(r"<(?:!doctype|html|head|body|\?xml)", said, re.IGNORECASE):
        title = re.search(r"<(title|h1|message)\b[^>]*>(.*?)</\1>", said, re.IGNORECASE | re.DOTALL)
        said = html.unescape(re.sub(r"<[^>]*>", " ", title[2])) if title else ""
    printable = "".join(char if char.isprintable() else " " for char in said[: 4 * _MAX_MESSAGE_CHARS])
    message = for_log(" ".join(printable.split()))
    if len(message) > _MAX_MESSAGE_CHARS:
        message = message[: _MAX_MESSAGE_CHARS - 1] + "…"
    return message if any(char.isalnum() and char != "\ufffd" for char in message) else None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
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
