"""What comes in: bodies are decoded into types, text is cleaned, and every refusal names the field."""

import hashlib
import re
import unicodedata
from typing import TypeVar

import msgspec
from aiohttp import web

from gateway.edge.nulls import without_nulls
from gateway.edge.state import STATE
from shared.errors import InvalidRequest, RequestTimeout, TooLarge, UnsupportedMediaType
from shared.names import shown_name

T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", re.ASCII)
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,200}", re.ASCII)
_FIELD = re.compile(r"at `\$\.([^`]*)`")
_NAMED = re.compile(r"field `([^`]*)`")

_MOST_FILE_NAME_CHARS = 120
#: Levels of arrays and objects in a body. It is written and read again on the way to the model, where a
#: parser that meets its own limit would fail the generation, not the request.
_MAX_DEPTH = 100
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
_NO_BRACKET = re.compile(rb"[^\[\]{}]+")


class LateBody(web.RequestPayloadError):
    """The body did not come in time."""


async def read_body(request: web.Request, kind: type[T], most_bytes: int | None = None) -> T:
    """The JSON body as *kind*. Raises `InvalidRequest` naming the field, or what the body is not."""
    return decode_body(await read_bytes(request, most_bytes), kind)


async def read_bytes(request: web.Request, most_bytes: int | None = None) -> bytes:
    """The body of a request that says it is JSON. Raises what a client is to be told."""
    if request.content_type != "application/json":
        raise UnsupportedMediaType(field="Content-Type")
    return await read_any(request, most_bytes)


async def read_any(request: web.Request, most_bytes: int | None = None) -> bytes:
    """The body, whatever it is. Raises what a client is to be told."""
    most = most_bytes or request.app[STATE].settings.max_body_bytes
    if (request.content_length or 0) > most:
        raise too_large(most)
    try:
        if most_bytes is not None:
            request = request.clone(client_max_size=most_bytes)
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise too_large(most) from error
    except LateBody as error:
        raise RequestTimeout() from error
    except web.RequestPayloadError as error:
        raise InvalidRequest("The body cannot be read: it is not what its headers say.") from error


def too_large(most_bytes: int) -> TooLarge:
    """The refusal of a body of more bytes than that."""
    return TooLarge(f"The request's body is too large: it may have {most_bytes} bytes at most.")


def decode_body(body: bytes, kind: type[T]) -> T:
    """*body* as *kind*, where null is absent; never raises anything but `InvalidRequest`."""
    if not body.strip():
        raise InvalidRequest("The body is empty; it must be JSON.")
    if _is_too_deep(body):
        raise InvalidRequest(f"The body has more than {_MAX_DEPTH} levels of arrays and objects.")
    try:
        if _names_twice(body):
            raise InvalidRequest("The body names a field twice: which one counts, nobody can tell.")
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError:
            return checked(msgspec.json.decode(body), kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}") from error


def checked(value: object, kind: type[T], at: str = "") -> T:
    """What is *at* a place of a body as *kind*, where null is absent. Raises `InvalidRequest` naming it."""
    try:
        return msgspec.convert(without_nulls(value, kind), kind)
    except msgspec.ValidationError as error:
        message = f"`{at}`: {error}" if at else str(error)
        fields = [field for field in (at, _field_of(str(error))) if field]
        raise InvalidRequest(message, field=".".join(fields) or None) from error


def _is_too_deep(body: bytes) -> bool:
    if body.count(b"[") + body.count(b"{") <= _MAX_DEPTH:
        return False
    depth = 0
    for bracket in _NO_BRACKET.sub(b"", _STRING.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > _MAX_DEPTH:
            return True
    return False


def _names_twice(body: bytes) -> bool:
    """
    Whether an object has a name twice, of which parsers take the first or the last. Raises what decoding
    does.
    """
    named = _STRING.sub(b"", body).count(b":")
    left, known = [msgspec.json.decode(body)], 0
    while left:
        value = left.pop()
        if isinstance(value, dict):
            known += len(value)
            left += value.values()
        elif isinstance(value, list):
            left += value
    return known != named


def _field_of(message: str) -> str | None:
    named, at = _NAMED.search(message), _FIELD.search(message)
    return ".".join(match[1] for match in (at, named) if match) or None


def _not_too_long(text: str, field: str, max_chars: int) -> str:
    if len(text) > max_chars:
        raise InvalidRequest(
            f"`{field}` has {len(text)} characters; at most {max_chars} are allowed.", field=field
        )
    return text


def clean_text(text: str, field: str, max_chars: int) -> str:
    """*text* trimmed and freed of control characters; line breaks and tabs stay."""
    kept = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"}).strip()
    if not kept:
        raise InvalidRequest(f"`{field}` is empty.", field=field)
    return _not_too_long(kept, field, max_chars)


def clean_name(name: str, field: str, max_chars: int) -> str:
    """*name* as others see it. Raises `InvalidRequest` where nothing of it is seen, or too much."""
    shown = shown_name(name, len(name))
    if not shown:
        raise InvalidRequest(f"`{field}` is empty: it has nothing that is seen.", field=field)
    return _not_too_long(shown, field, max_chars)


def clean_file_name(name: str) -> str:
    """What a file is called, for people: one line, without folders, and no longer than needed."""
    shown = shown_name(name, len(name)).replace("\\", "/").rpartition("/")[2]
    return shown_name(shown[-_MOST_FILE_NAME_CHARS:], _MOST_FILE_NAME_CHARS)


def checked_id(value: str, field: str) -> str:
    """An id that a client made up: 1 to 128 letters, digits and `_.:-`."""
    if not _ID.fullmatch(value):
        raise InvalidRequest(
            f"`{field}` must be 1 to 128 letters, digits and `_.:-`, beginning with a letter or digit.",
            field=field,
        )
    return value


def idempotency_key(request: web.Request) -> str | None:
    """The `Idempotency-Key` header, 1 to 200 visible ASCII characters."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidRequest(
            "`Idempotency-Key` must be 1 to 200 visible ASCII characters.", field="Idempotency-Key"
        )
    return key


def digest(request: msgspec.Struct) -> str:
    """Equal for equal requests."""
    return hashlib.sha256(msgspec.json.encode(request, order="deterministic")).hexdigest()[:32]
